"""One JSON decoder for every source: its cost is bounded before it starts, and what it gives every store and sink can hold."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

from gateway.errors import Malformed
from gateway.text.json_bounds import (
    DEPTH_MAX,
    INTEGER_MAX,
    KEY_CHARS_MAX,
    NODES_MAX,
    TEXT_BYTES_MAX,
    check_structure,
    too_many,
)
from gateway.text.json_document import Document
from gateway.text.json_tree import BYTE_ORDER_MARK, Flaw, Pairs, WideNumber, decode, measure

__all__ = [
    "DEPTH_MAX",
    "INTEGER_MAX",
    "KEY_CHARS_MAX",
    "NODES_MAX",
    "TEXT_BYTES_MAX",
    "Document",
    "decode_document",
    "decode_object",
]  # fmt: skip

_ESCAPED_COLON: Final = re.compile(rb"\\u003[aA]")
_KINDS: Final = {
    list: "an array", str: "a text", bool: "a boolean", int: "a number", float: "a number", WideNumber: "a number"
}  # fmt: skip


class _Odd(Exception):
    """Something is in it that no store can hold: it has to be read with more care."""


def decode_object(body: bytes, most: int = NODES_MAX) -> dict[str, object]:
    """One JSON object from UTF-8 bytes, repaired where something in it cannot be kept. Raises Malformed."""
    return decode_document(body, most).plain


def decode_document(body: bytes, most: int = NODES_MAX) -> Document:
    """One JSON object from UTF-8 bytes, or Malformed saying what is wrong and where, never with a value of the body.

    `most` bounds the values in it. What a database, an encoder or a label would refuse later (lone surrogates, NUL,
    numbers past 64 bits, doubled keys, a byte-order mark, very long or deep parts) is no reason to refuse: it is
    repaired, and named in the document's `problems`.
    """
    check_structure(body, most)
    plain = _decode_flat(body, most) or _decode_plain(body, most)
    return _decode_with_care(body, most) if plain is None else Document(plain)


def _decode_flat(body: bytes, most: int) -> dict[str, object] | None:
    """The object, where it holds no escape and no other container, as most vendors' do, and nothing in it is odd; else None.

    The decoder holds the bounds. Without escapes a text has two quotes: there are more of them where a text was left out,
    because its key is there twice.
    """
    if b"\\" in body:
        return None
    try:
        value = _flat(body)
    except (UnicodeError, msgspec.MsgspecError):
        return None
    texts = len(value) + list(map(type, value.values())).count(str)
    return value if len(value) < most and body.count(b'"') == 2 * texts else None


def _decode_plain(body: bytes, most: int) -> dict[str, object] | None:
    """The object, where nothing in it is odd; None: somebody has to look closer. Raises Malformed for too many values."""
    escaped = b"\\" in body and b"\\u" in body  # one byte is found several times as fast as two
    try:
        value = _decode_fast(body)
        if type(value) is not dict:
            return None
        keys, colons = _walk(value, most, escaped=escaped)
    except (_Odd, UnicodeError, RecursionError, msgspec.MsgspecError):
        return None
    # Each key has its colon, and all other colons stand in texts. If there are more, one text was left out with its key,
    # because that is there twice. Only an escaped colon in a text could hide another, so nobody counts where one may be.
    if body.count(b":") != keys + colons or (escaped and _ESCAPED_COLON.search(body)):
        return None
    return value


def _decode_with_care(body: bytes, most: int) -> Document:
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"the body is not UTF-8: byte {error.start} cannot be read ({error.reason})") from None
    try:
        return _document_of(text, most)
    except (Flaw, RecursionError, json.JSONDecodeError) as error:
        raise _malformed(text.removeprefix(BYTE_ORDER_MARK), error) from None


def _document_of(text: str, most: int) -> Document:
    """Decoded once, whatever it turns out to be, because a stranger pays for none of it."""
    problems: list[str] = []
    if text.startswith(BYTE_ORDER_MARK):
        text = text[1:]
        problems.append("byte-order mark")
    tree = decode(text)
    if type(tree) is not dict and type(tree) is not Pairs:
        raise Flaw(f"the body is {_KINDS.get(type(tree), 'null')}; one JSON object is expected")
    if type(tree) is dict and not problems:
        # Only an escape can put a surrogate or a NUL into a text: the raw ones do not pass UTF-8 and JSON themselves.
        with contextlib.suppress(_Odd):
            _walk(tree, most, escaped="\\u" in text)
            return Document(tree)
    measure(tree, most)
    return Document(None, tree, problems)


def _malformed(text: str, error: Exception) -> Malformed:
    if isinstance(error, Flaw):
        return Malformed(f"{error}{_place(text, error.literal)}")
    if not isinstance(error, json.JSONDecodeError):
        return Malformed("the body is nested deeper than can be read")
    if not text or text.isspace():
        return Malformed("the body is empty; one JSON object is expected")
    what = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
    return Malformed(f"the body is not JSON: {what} at line {error.lineno} column {error.colno}")


def _place(text: str, literal: str | None) -> str:
    found = re.search(r"[:,\[\s]" + re.escape(literal[:64]), text) if literal else None
    return f" (at character {found.start() + 1})" if found else ""


_decode_fast: Final = msgspec.json.Decoder().decode
_JsonKey = Annotated[str, msgspec.Meta(max_length=KEY_CHARS_MAX)]
_JsonText = Annotated[str, msgspec.Meta(max_length=TEXT_BYTES_MAX // 4)]
_Integer = Annotated[int, msgspec.Meta(ge=-INTEGER_MAX, le=INTEGER_MAX)]
_FLAT: Final[object] = dict[_JsonKey, _JsonText | _Integer | float | bool | None]
_flat: Final[Callable[[bytes], dict[str, object]]] = msgspec.json.Decoder(_FLAT).decode


def _walk(top: dict[str, object], most: int, *, escaped: bool) -> tuple[int, int]:
    """Hold the bounds on every value, without recursion: how many keys there are, and how many colons in texts. Raises
    _Odd, or Malformed for too many values."""
    nodes = depth = 1
    keys = colons = 0
    open_: list[Any] = [top]
    deeper: list[object] = []
    while open_:
        container = open_.pop()
        nodes += len(container)
        if nodes > most:
            raise too_many(most)
        values = container
        if type(container) is dict:
            values = container.values()
            keys += len(container)
            for key in container:
                if len(key) > KEY_CHARS_MAX or (escaped and not _can_be_kept(key)):
                    raise _Odd
                if ":" in key:
                    colons += key.count(":")
        for value in values:
            kind = type(value)
            if kind is str:
                if (escaped or len(value) > TEXT_BYTES_MAX // 4) and not _can_be_kept(value):
                    raise _Odd
                if ":" in value:
                    colons += value.count(":")
            elif kind is dict or kind is list:
                deeper.append(value)
            elif (kind is int and not -INTEGER_MAX <= value <= INTEGER_MAX) or kind is Pairs or kind is WideNumber:
                raise _Odd
        if not open_ and deeper:
            if depth == DEPTH_MAX:
                raise _Odd
            open_, deeper, depth = deeper, [], depth + 1
    return keys, colons


def _can_be_kept(text: str) -> bool:
    if text.isascii():
        return len(text) <= TEXT_BYTES_MAX and "\0" not in text
    try:
        return len(text.encode()) <= TEXT_BYTES_MAX and "\0" not in text
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
