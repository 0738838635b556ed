"""Hides credentials in what a vendor sent, so that a refused callback can be shown and passed on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from gateway.text.redaction import MASK, redact

# by the words in a name, because the core knows no vendor
_SECRET: Final = re.compile(
    r"sign|token|secret|passw|credential|cookie|authori[sz]ation|(^|[_-])(auth|key|mac|hmac)($|[_-])", re.I
)
_PAIR: Final = re.compile(r'"([^"\\]{1,256})"(\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,}\]]+)')
_NAME: Final = re.compile(r"[\w-]{1,256}+")
# What stands between a name and its value, however it is written: form, XML, header, part of a form, JSON in a text.
_LOOSE_VALUE: Final = re.compile(
    r"""((?=[^\w*,;&}\]<]{0,15}[:=>"'])[^\w*,;&}\]<]{1,16}(?:(?:bearer|basic|digest)\s+)?)[^\s"'&<>,;}\]\\]+""", re.I
)
_ESCAPED_LETTER: Final = re.compile(r"\\u00(2d|3[0-9]|4[1-9a-f]|5[0-9af]|6[1-9a-f]|7[0-9a])", re.I)
_JSON_DEPTH_MAX: Final = 4  # texts of JSON one in the other


def is_secret(name: str) -> bool:
    """Whether a field or header of this name holds a credential, such as `auth_sign`, `X-Token`, `Cookie`."""
    return _SECRET.search(name) is not None


def masked_path(path: str, source: str) -> str:
    """The path a callback came to; one that is not just the source's name is a second key. One that led nowhere is
    shown, because it is what is looked for."""
    if not source:
        return path
    return path if path == f"/hooks/{source}" else f"/hooks/{MASK}"


def masked_headers(headers: Iterable[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """Headers with the values of those that hold credentials masked."""
    return [(name, MASK if is_secret(name) else redact(value)) for name, value in headers]


def masked_body(body: bytes) -> str:
    """The body as text with every credential masked; laid out where it is JSON."""
    text = body.decode("utf-8", "backslashreplace")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        # not JSON, perhaps that is why it was refused: what looks like a pair is masked all the same
        return redact(_loosely_masked(text))
    return redact(json.dumps(_masked(document), ensure_ascii=False, indent=2))


def _loosely_masked(text: str) -> str:
    """A text that is no JSON, with the value of whatever looks like the name of a credential masked."""
    text = _ESCAPED_LETTER.sub(lambda found: chr(int(found[1], 16)), text)
    text = _PAIR.sub(_mask_pair, text)
    pieces: list[str] = []
    at = 0
    for name in _NAME.finditer(text):
        if name.start() >= at and is_secret(name[0]) and (value := _LOOSE_VALUE.match(text, name.end())):
            pieces += (text[at : value.end(1)], MASK)
            at = value.end()
    return "".join((*pieces, text[at:]))


def _mask_pair(found: re.Match[str]) -> str:
    return f'"{found[1]}"{found[2]}"{MASK}"' if is_secret(found[1]) else found[0]


def masked_tree(value: object, hides: Callable[[str, object], bool], leaf: Callable[[object], object]) -> object:
    """What is made of mappings and lists, with the mask where `hides` says so of a name and its value, and each other value
    as `leaf` makes it. Whatever is masked by the names in it goes through here."""
    if isinstance(value, Mapping):
        return {
            str(name): MASK if hides(str(name), inner) else masked_tree(inner, hides, leaf)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [masked_tree(inner, hides, leaf) for inner in value]
    return leaf(value)


def _masked(value: object, depth: int = 0) -> object:
    return masked_tree(value, _is_filled_secret, partial(_masked_text, depth=depth))


def _is_filled_secret(name: str, value: object) -> bool:
    return is_secret(name) and value not in (None, "")


def _masked_text(text: object, depth: int) -> object:
    """A text inside a document: JSON of its own, a form, or words, in which a colon alone makes no pair."""
    if not isinstance(text, str):
        return text
    if depth < _JSON_DEPTH_MAX and text[:1] in ("{", "["):
        try:
            return json.dumps(_masked(json.loads(text), depth + 1), ensure_ascii=False)
        except (ValueError, RecursionError):
            return _loosely_masked(text)
    return _loosely_masked(text) if any(mark in text for mark in "=<{") else text


def masked_event(document: Mapping[str, object]) -> dict[str, Any]:
    """An event's JSON without the queries of its URLs, which are signatures; `extra` also without credentials."""
    data = document.get("data")
    masked: dict[str, Any] = _redacted(document)
    if isinstance(data, Mapping) and isinstance(data.get("extra"), Mapping):
        masked["data"]["extra"] = _redacted(_masked(data["extra"]))
    return masked


def _redacted(value: object) -> Any:
    return masked_tree(value, lambda *_: False, lambda leaf: redact(leaf) if isinstance(leaf, str) else leaf)
