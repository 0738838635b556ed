"""What names a credential is left out of what a vendor said, at any depth, and its path is told."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from gateway.text.credential_names import VALUES, is_bare_key_secret, names_credential, verdict_of, words_of

_DEPTH_MAX: Final = 64  # containers inside each other; what lies deeper is left out, because nobody looked at it
_ARGUMENTS_CHARS_MAX: Final = 4096  # characters of a text that is looked at as arguments of an address
_CALLED: Final = ("name", "key", "k", "field", "header", "param", "parameter", "attribute", "property", "id", "type")
_HOLDERS: Final = frozenset(spelt for name in VALUES for spelt in (name, name.capitalize(), name.upper()))
_ARGUMENTS: Final = re.compile(r"\??(?:[\w.~-]{1,64}=[^&;\s]*)(?:[&;][\w.~-]{1,64}=[^&;\s]*)*", re.ASCII)
_HEADER_LINE: Final = re.compile(
    r"((?=[^:]*-|authorization:|cookie:)[a-z0-9-]{3,64}):[ \t]*\S", re.ASCII | re.IGNORECASE
)


class Cleaned(dict[str, object]):
    """Fields that were looked through already: asked a second time, they need no second look."""


def without_credentials(fields: Mapping[str, object], path: str = "") -> tuple[dict[str, object], list[str]]:
    """The fields without what names a credential, at any depth; and the paths of what was left out.

    `path` stands before each path. A flag, a null and an empty text are kept, because they give nothing away.
    """
    if type(fields) is Cleaned:
        return fields, []
    left_out: list[str] = []
    return Cleaned(_object(fields, path, "", left_out, 0)), left_out


def _object(fields: Mapping[str, object], path: str, parent: str, left_out: list[str], depth: int) -> dict[str, object]:
    kept: dict[str, object] = {}
    named = _named_value(fields)
    bare: bool | None = None
    for name, value in fields.items():
        if _says_nothing(value):
            kept[name] = value
            continue
        verdict = verdict_of(name)
        if verdict is None:
            verdict = bare = is_bare_key_secret(parent, fields) if bare is None else bare
        if (verdict and not _counts(name, value)) or name == named:
            left_out.append(f"{path}{name}")
            continue
        inside = _inside(value, f"{path}{name}", name, left_out, depth)
        if inside is not _LEFT_OUT:
            kept[name] = inside
    return kept


_LEFT_OUT: Final = object()


def _says_nothing(value: object) -> bool:
    return value is None or value is True or value is False or (not value and isinstance(value, (str, Mapping, list)))


def _inside(value: object, path: str, parent: str, left_out: list[str], depth: int) -> object:
    """The value without what in it names a credential, or _LEFT_OUT."""
    if isinstance(value, str):
        if not _speaks_of_one(value):
            return value
    elif not isinstance(value, (Mapping, list, tuple)):
        return value
    elif depth < _DEPTH_MAX:
        if isinstance(value, Mapping):
            return _object(value, f"{path}.", parent, left_out, depth + 1)
        parts = [_part(part, f"{path}[{n}]", parent, left_out, depth + 1) for n, part in enumerate(value)]
        return [part for part in parts if part is not _LEFT_OUT]
    left_out.append(path)
    return _LEFT_OUT


def _part(value: object, path: str, parent: str, left_out: list[str], depth: int) -> object:
    """The same of what stands in a list, where a pair may be a list too: `[["Authorization", "Bearer …"]]`."""
    if not _is_secret_pair(value):
        return _inside(value, path, parent, left_out, depth)
    left_out.append(path)
    return _LEFT_OUT


def _is_secret_pair(value: object) -> bool:
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and isinstance(value[0], str)
        and not _says_nothing(value[1])
        and names_credential(value[0])
    )


def _counts(name: str, value: object) -> bool:
    """Whether this is a number of tokens, and no token: `tokens: 5`."""
    return type(value) in (int, float) and words_of(name)[-1:] in (
        ["tokens"], ["cookies"], ["keys"], ["secrets"], ["passes"], ["pass"], ["sign"],
    )  # fmt: skip


def _named_value(fields: Mapping[str, object]) -> str | None:
    """The field with the value of a pair such as {name: Authorization, value: …}, where its name spells a credential."""
    if not 2 <= len(fields) <= 8 or _HOLDERS.isdisjoint(fields):
        return None
    by_name = {name.lower(): name for name in fields}
    holder = next(by_name[name] for name in VALUES if name in by_name)
    called = (fields[by_name[name]] for name in _CALLED if name in by_name and by_name[name] != holder)
    return holder if any(isinstance(one, str) and names_credential(one) for one in called) else None


def _speaks_of_one(text: str) -> bool:
    """Whether a text is JSON, the arguments of an address or a line of a header, with a credential among its names."""
    bare = text.strip()
    if len(bare) > 1 and bare[0] in '{["' and bare[-1] in '}]"':
        try:
            value = json.loads(bare)
        except (ValueError, RecursionError):
            return False
        return _speaks_of_one(value) if isinstance(value, str) else _holds_one(value)
    if len(bare) > _ARGUMENTS_CHARS_MAX:
        return False
    if "=" in bare and _ARGUMENTS.fullmatch(bare):
        pairs = (part.partition("=") for part in re.split("[&;]", bare.lstrip("?")))
        return any(value and names_credential(name) for name, _, value in pairs)
    line = _HEADER_LINE.match(bare)
    return line is not None and names_credential(line[1])


def _holds_one(value: object) -> bool:
    """Whether JSON inside a text names a credential anywhere; without recursion, since nobody bounded its depth."""
    open_: list[tuple[object, str]] = [(value, "")]
    while open_:
        container, parent = open_.pop()
        if isinstance(container, list):
            if any(map(_is_secret_pair, container)):
                return True
            open_ += [(part, parent) for part in container if isinstance(part, (dict, list))]
            continue
        assert isinstance(container, dict)  # a text in JSON is looked at by who reads it
        verdicts = {verdict_of(name) for name, part in container.items() if not _says_nothing(part)}
        if True in verdicts or (None in verdicts and is_bare_key_secret(parent, container)) or _named_value(container):
            return True
        open_ += [(part, name) for name, part in container.items() if isinstance(part, (dict, list))]
    return False
