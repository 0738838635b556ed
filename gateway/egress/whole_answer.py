"""Reads an answer that has come whole in one piece, as nearly every answer to a delivery does. What is not plain is left to
aiohttp's parser, which costs as much as sending the request."""

from __future__ import annotations

import functools
import re
from typing import Final, NamedTuple

HEAD_BYTES_MAX: Final = 4096
_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_FIELD: Final = rb"(" + _TOKEN + rb"): ?([!-~](?:[ -~]*[!-~])?)?\r\n"
_HEAD: Final = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9]) ((?:[!-~](?:[ -~]*[!-~])?)?)\r\n((?:" + _FIELD.replace(b"(", b"(?:", 1) + rb")*)"
)
_FIELDS: Final = re.compile(_FIELD)
_LENGTH: Final = re.compile(rb"[0-9]{1,9}")
# They change how long the body is, or what becomes of the connection.
_NOT_PLAIN: Final = frozenset({b"transfer-encoding", b"upgrade", b"trailer"})
_CONNECTION: Final = frozenset({b"connection", b"proxy-connection"})  # aiohttp's parser takes one for the other
_BARE: Final = frozenset({204, 304})  # have no body, whatever their length says


class PlainHead(NamedTuple):
    """A plain head: what stands in it, and how many bytes of body follow."""

    status: int
    reason: str
    headers: tuple[tuple[bytes, bytes], ...]
    length: int


WholeAnswer = tuple[PlainHead, bytes]
"""An answer's head, and all of its body. A plain tuple, because a named one is made by a call of Python's own."""


def whole_answer(data: bytes) -> WholeAnswer | None:
    """The answer that these bytes are; None: they are not one plain, whole answer, or more than one."""
    end = data.find(b"\r\n\r\n", 0, HEAD_BYTES_MAX) + 2
    if end < 2:
        return None
    head = _plain_head(data[:end])
    if head is None or len(data) != end + 2 + head.length:
        return None
    return head, data[end + 2 :]


@functools.lru_cache(maxsize=64)  # because a target's answers have the same head for a second and longer
def _plain_head(data: bytes) -> PlainHead | None:
    match = _HEAD.fullmatch(data)
    if match is None:
        return None
    status, reason, fields = int(match[1]), match[2].decode("ascii"), match[3]
    headers = tuple(_FIELDS.findall(fields))
    length: int | None = None
    for name, value in headers:
        lower = name.lower()
        if lower in _NOT_PLAIN or (lower in _CONNECTION and value.lower() != b"keep-alive"):
            return None
        if lower == b"content-length":
            if length is not None or not _LENGTH.fullmatch(value):
                return None
            length = int(value)
    if status in _BARE:
        return PlainHead(status, reason, headers, 0) if length is None else None
    return None if length is None else PlainHead(status, reason, headers, length)
