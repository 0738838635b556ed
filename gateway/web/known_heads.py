"""Request heads that were read before: a vendor sends the same one with every callback, but for the length of its body.

A head is known by all of its bytes but the digits of its Content-Length, so a parser would say of it what it said before.
One that did not come twice is not kept: a head with a signature in it never comes again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.web.http_exchange import HttpExchange, KnownHead

HEADS_MAX: Final = 64  # of one listener; then the oldest goes
HEAD_BYTES_MAX: Final = 2048  # of one
ONCE_MAX: Final = 1024  # heads that came once: of each a number is kept
# From the end of the line before, so that it is the field and no part of another's name or value.
_LENGTH: Final = b"\r\ncontent-length: "
_LENGTH_TITLED: Final = b"\r\nContent-Length: "
_DIGITS_MAX: Final = 9
_END: Final = b"\r\n\r\n"
_OF_THE_HEAD: Final = ("type", "asgi", "http_version", "method", "path", "raw_path", "query_string", "root_path")


class KnownHeads:
    """One a listener; `most` bounds a head in bytes."""

    def __init__(self, most: int) -> None:
        self._most = min(most, HEAD_BYTES_MAX)
        self._heads: dict[bytes, KnownHead] = {}
        self._last: tuple[bytes, bytes, KnownHead] | None = None  # what stands before the digits, and behind them
        self._once: set[int] = set()

    def find(self, data: bytes) -> tuple[KnownHead, bytes, bytes] | None:
        """Of a segment that is one whole request with a known head: that, its Content-Length, and the body."""
        if (last := self._last) is None:
            return None
        before, behind, head = last
        if data.startswith(before):  # as nearly always, where one vendor calls
            at = len(before)
            ends = data.find(b"\r\n", at, at + _DIGITS_MAX + 2)
            length = data[at:ends]
            if ends > 0 and data.startswith(behind, ends) and length.isdigit():
                end = ends + len(behind)
                return (head, length, data[end:]) if int(length) == len(data) - end else None
        return self._look_up(data)

    def _look_up(self, data: bytes) -> tuple[KnownHead, bytes, bytes] | None:
        if (cut := _split(data, self._most)) is None or (head := self._heads.get(cut.key)) is None:
            return None
        self._last = (data[: cut.at], data[cut.ends : cut.end], head)
        length = data[cut.at : cut.ends]
        return (head, length, data[cut.end :]) if int(length) == len(data) - cut.end else None

    def learn(self, data: bytes, exchange: HttpExchange, size: int) -> None:
        """Remember the head of a segment that was one whole request, with a body of `size` bytes, and was taken without the
        application."""
        cut = _split(data, self._most)
        if cut is None or cut.end != len(data) - size or int(data[cut.at : cut.ends]) != size:
            return
        if not self._came_once(hash(cut.key)):
            return
        scope = exchange.scope
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        names = [name for name, _ in headers]
        if scope["http_version"] != "1.1" or not exchange.keep_alive or names.count(b"content-length") != 1:
            return
        # each line is one field: nothing in it was folded, and nothing left out (an offer of another protocol)
        if data.count(b"\r\n", 0, cut.end) != len(headers) + 2 or b"expect" in names:
            return
        if len(self._heads) >= HEADS_MAX:
            del self._heads[next(iter(self._heads))]
        of_head = {name: scope[name] for name in _OF_THE_HEAD}
        head = self._heads[cut.key] = KnownHead(of_head, headers, names.index(b"content-length"))
        self._last = (data[: cut.at], data[cut.ends : cut.end], head)

    def _came_once(self, mark: int) -> bool:
        if mark in self._once:
            self._once.discard(mark)
            return True
        if len(self._once) >= ONCE_MAX:
            self._once.clear()
        self._once.add(mark)
        return False


class SplitHead(NamedTuple):
    """A segment that begins with a head. `key`: all of the head but the digits of its first Content-Length, which stand from
    `at` to `ends`; `end`: where the head does."""

    key: bytes
    at: int
    ends: int
    end: int


def _split(data: bytes, most: int) -> SplitHead | None:
    at = data.find(_LENGTH, 0, most)
    if at < 0:
        at = data.find(_LENGTH_TITLED, 0, most)
    if at < 0:
        return None
    at += len(_LENGTH)
    ends = data.find(b"\r\n", at, at + _DIGITS_MAX + 2)
    end = data.find(_END, ends, most) if ends > 0 else -1
    if end < 0 or not data[at:ends].isdigit():
        return None
    end += len(_END)
    return SplitHead(data[:at] + data[ends:end], at, ends, end)
