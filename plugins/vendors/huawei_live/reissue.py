"""A callback of Huawei Live signed afresh with another key: every other byte stays as the vendor sent it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from gateway import encode_json
from plugins.vendors.huawei_live import signature

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_decode: Final = json.JSONDecoder().raw_decode


def reissue(body: bytes, *, scheme: str, key: bytes, expires: int) -> bytes:
    """The callback with a new `auth_timestamp` (`expires`, seconds since 1970) and the `auth_sign` that belongs to it.

    A timestamp that came as a number stays one. Raises ValueError, in words without values, where the body is not a
    JSON object in UTF-8 or a field that the formula joins is not text.
    """
    text = body.decode()
    spans = {name: (start, end, value) for name, start, end, value in _members(text)}
    moment = str(expires)
    fields = "".join(_text_value(name, spans[name][2]) for name in signature.NAMES if name in spans)
    made = signature.sign(scheme, key, moment.encode(), fields.encode())
    was = spans["auth_timestamp"][2] if "auth_timestamp" in spans else None
    fresh = {"auth_sign": f'"{made.hex()}"', "auth_timestamp": moment if type(was) is int else f'"{moment}"'}
    for name, (start, end, _) in sorted(spans.items(), key=lambda item: -item[1][0]):  # from behind, so that spans hold
        if name in fresh:
            text = text[:start] + fresh.pop(name) + text[end:]
    if fresh:  # the source verifies nothing, so there was no signature
        more = ",".join(f"{encode_json(name)}:{value}" for name, value in sorted(fresh.items()))
        at = text.rindex("}")
        text = f"{text[:at]}{',' if spans else ''}{more}{text[at:]}"
    return text.encode()


def _text_value(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} is not text, so the vendor's formula has no value for it")
    return value


def _members(text: str) -> Iterator[tuple[str, int, int, object]]:
    """Each member of the object: its name, where its value begins and ends, and the value."""
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise ValueError("the callback is not a JSON object")
    at = _skip(text, at + 1)
    while text[at : at + 1] == '"':
        name, at = _decode(text, at)
        start = _skip(text, _skip(text, at) + 1)  # behind the colon
        value, end = _decode(text, start)
        yield name, start, end, value
        at = _skip(text, _skip(text, end) + 1)  # behind the comma, or the brace


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()
