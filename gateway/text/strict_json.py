"""One strict JSON decoder for every source: what it lets through, every store and sink can hold."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Final

from gateway.errors import Malformed

MAX_DEPTH: Final = 16  # containers inside each other, the outermost object included
MAX_NODES: Final = 10_000  # values of any kind
MAX_KEY: Final = 256  # characters
MAX_TEXT: Final = 64 * 1024  # bytes of UTF-8
MAX_INTEGER: Final = 2**63 - 1  # in either direction: what a bigint holds, and its negative

_PLAIN_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KINDS: Final = {list: "an array", str: "a text", bool: "a boolean", int: "a number", float: "a number"}


class _Flaw(Exception):
    """What is wrong; `literal` is the number it is about, where that is all a hook of the decoder was told."""

    def __init__(self, what: str, literal: str | None = None) -> None:
        super().__init__(what)
        self.literal = literal


def decode_object(body: bytes) -> dict[str, Any]:
    """One JSON object from UTF-8 bytes, or Malformed saying what is wrong and where, never with a value of the body.

    Stricter than RFC 8259, because the standard decoder lets through what a database, an encoder or a label refuses
    later: duplicate keys, NaN and infinities, numbers past 64 bits, lone surrogates, NUL, a byte-order mark, deep and
    very wide documents.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8: byte {error.start} cannot be read ({error.reason})") from None
    try:
        value = _decode(text)
        if type(value) is not dict:
            raise _Flaw(f"the body is {_KINDS.get(type(value), 'null')}; one JSON object is expected")
        # Only an escape can put a surrogate or a NUL into a text: the raw ones do not pass UTF-8 and JSON themselves.
        _walk(value, escaped="\\u" in text)
    except _Flaw as flaw:
        raise Malformed(f"{flaw}{_place(text, flaw.literal)}") from None
    except RecursionError:
        raise Malformed(f"the body is nested deeper than {MAX_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        raise Malformed(_syntax(text, error)) from None
    return value


def _syntax(text: str, error: json.JSONDecodeError) -> str:
    if not text or text.isspace():
        return "the body is empty; one JSON object is expected"
    if text[0] == "\ufeff":
        return "the body begins with a byte-order mark; JSON in plain UTF-8 is expected"
    what = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
    return f"the body is not JSON: {what} at line {error.lineno} column {error.colno}"


def _place(text: str, literal: str | None) -> str:
    found = re.search(r"[:,\[\s]" + re.escape(literal[:64]), text) if literal else None
    return f" (at character {found.start() + 1})" if found else ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise _Flaw(f"the key {_shown(key)} is there twice in one object; nobody can say which one is meant")
    return made


def _integer(literal: str) -> int:
    # The length first, because int() refuses some thousand digits with an error of its own, and is slow before that.
    if len(literal) > 20 or not -MAX_INTEGER <= (number := int(literal)) <= MAX_INTEGER:
        raise _Flaw(
            f"an integer of {len(literal.lstrip('-'))} digits; 64 bits hold no more than {MAX_INTEGER}", literal
        )
    return number


def _float(literal: str) -> float:
    number = float(literal)
    if number - number != 0.0:  # infinite: the cheapest test there is
        raise _Flaw("a number too large for a 64-bit float", literal)
    return number


def _constant(literal: str) -> float:
    raise _Flaw(f"{literal} is not JSON; a number or null is expected", literal)


_decode: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
).decode


def _walk(top: dict[str, Any], *, escaped: bool) -> None:
    """Hold the bounds on every value, without recursion. Raises _Flaw with the JSON path."""
    nodes = 1
    open_: list[tuple[Any, int, tuple[Any, ...]]] = [(top, 1, ())]
    while open_:
        container, depth, path = open_.pop()
        nodes += len(container)
        if nodes > MAX_NODES:
            raise _Flaw(f"the body holds more than {MAX_NODES} values")
        if type(container) is dict:
            for key in container:
                if len(key) > MAX_KEY:
                    raise _Flaw(f"a key in {_path(path)} has {len(key)} characters; {MAX_KEY} are the most")
                if escaped:
                    _check_text(key, path, "a key in ")
            entries: Any = container.items()
        else:
            entries = enumerate(container)
        for key, value in entries:
            kind = type(value)
            if kind is str:
                if escaped or len(value) > MAX_TEXT // 4:
                    _check_text(value, (*path, key), "")
            elif kind is dict or kind is list:
                if depth == MAX_DEPTH:
                    raise _Flaw(f"{_path((*path, key))} is nested deeper than {MAX_DEPTH} levels")
                open_.append((value, depth + 1, (*path, key)))


def _check_text(text: str, path: tuple[Any, ...], what: str) -> None:
    if "\0" in text:
        raise _Flaw(f"{what}{_path(path)} holds a NUL character, which databases cannot store")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise _Flaw(f"{what}{_path(path)} holds half of a surrogate pair, which is no character") from None
    if size > MAX_TEXT:
        raise _Flaw(f"{what}{_path(path)} has {size} bytes of text; {MAX_TEXT} are the most")


def _path(path: tuple[Any, ...]) -> str:
    """`$.files[3].name`: the JSON path, with keys that are not plain words quoted and cut."""
    return "$" + "".join(f"[{step}]" if type(step) is int else "." + _shown(step) for step in path)


def _shown(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else json.dumps(key[:64])
