"""Fetches one file: goes on where a connection broke, begins anew where the file is another, says when a link has ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway import Http, Refused, Retry, Via
from plugins.sinks.archive.answer import Begun, FileVersion, begun_of, failure, total_of_nothing
from plugins.sinks.archive.turns import Bandwidth

SILENCE_SECONDS: Final = 10.0  # without a byte, and until an answer begins; below the usual `delivery.timeout`
RECONNECT_BYTES_MIN: Final = 64 * 1024  # that must have come on a connection for another one at once when it breaks
SLOW_SECONDS: Final = 60.0  # of waiting for bytes, in which
SLOW_BYTES_MIN: Final = 64 * 1024  # have to come: who drips holds no place for ever
_ANSWER_BYTES: Final = 4096  # read of an answer that is not the file


NOTHING_SEEN: Final = FileVersion()


@dataclass(frozen=True)
class FileLink:
    """An address to fetch from. `ends`: when it does. `address` gives it signed, for private objects; each time anew. `least`:
    the bytes that have to come where only the end of the connection says that these were all."""

    url: str
    ends: datetime | None = None
    address: Callable[[], Awaitable[str]] | None = None
    least: int | None = None


@dataclass
class Position:
    """How far a file is, and of which file that is. Made of what a memo holds, and put back there."""

    offset: int = 0
    total: int | None = None
    version: FileVersion = NOTHING_SEEN

    def memo(self) -> Mapping[str, object]:
        return {"offset": self.offset, "total": self.total, "version": list(self.version)}

    def begin_anew(self) -> None:
        """Forget it: the file is another."""
        self.offset, self.total, self.version = 0, None, NOTHING_SEEN

    @classmethod
    def of(cls, memo: object) -> Position:
        """Nothing where the memo is not one of ours."""
        if not isinstance(memo, Mapping):
            return cls()
        offset, total, version = memo.get("offset"), memo.get("total"), memo.get("version")
        if type(offset) is not int or offset < 0 or not (total is None or type(total) is int):
            return cls()
        if not isinstance(version, list) or len(version) != 3:
            return cls()
        if not all(part is None or isinstance(part, str) for part in version):
            return cls()
        return cls(offset, total, FileVersion(*version))


class Changed(Exception):
    """The file at the address is another than the one that was begun: what was fetched is of no use."""


class Fetcher:
    """Fetches for one sink: through its address guard, with its bandwidth, and without following redirects."""

    def __init__(self, http: Http, via: Via, bandwidth: Bandwidth, bytes_max: int) -> None:
        self._http = http
        self._via = via
        self._bandwidth = bandwidth
        self._bytes_max = bytes_max

    async def pieces(self, link: FileLink, place: Position, *, bytes_max: int | None = None) -> AsyncGenerator[bytes]:
        """The bytes from `place.offset` on, which goes with them.

        Raises Changed where they would be of another file; Retry, Refused.
        """
        most = self._bytes_max if bytes_max is None else min(bytes_max, self._bytes_max)
        while place.offset != place.total:
            came = 0
            try:
                async with aclosing(self._one_answer(link, place, most)) as pieces:
                    async for piece in pieces:
                        came += len(piece)
                        place.offset += len(piece)
                        yield piece
                if place.total is None:
                    place.total = place.offset  # an answer that did not say how long it is has come to its end
                elif place.offset != place.total:
                    raise Retry(f"its bytes ended at {place.offset} of {place.total}")
            except Retry as broken:
                if came < RECONNECT_BYTES_MIN:
                    raise Retry(broken.detail, broken.after, status=broken.status) from None

    async def _one_answer(self, link: FileLink, place: Position, bytes_max: int) -> AsyncGenerator[bytes]:
        if place.offset and place.version.validator is None:
            raise Changed  # nobody could tell whether the rest is of the same file
        url = link.url if link.address is None else await link.address()
        async with self._http.stream(
            "GET",
            url,
            headers=_range(place),
            timeout=SILENCE_SECONDS,
            silence=SILENCE_SECONDS,
            via=self._via,
        ) as stream:
            begun = begun_of(stream)
            if begun is None:
                if total_of_nothing(stream) == place.offset:
                    place.total = place.offset
                    return
                if stream.status == 416 and place.offset:
                    raise Changed
                raise failure(await stream.answer(_ANSWER_BYTES), link.ends)
            _check(begun, place, stream.origin)
            place.version = begun.version
            place.total = begun.total
            if place.total is not None and place.total > bytes_max:
                raise Refused(f"{stream.origin}: it has {place.total} bytes, more than {bytes_max}")
            end, patience = place.total, _Patience(self._http.clock.monotonic)
            async with aclosing(stream.chunks()) as chunks:
                async for chunk in chunks:
                    if patience.is_over(len(chunk)):
                        raise Retry(f"{stream.origin}: less than {SLOW_BYTES_MIN} bytes came in {SLOW_SECONDS:g} s")
                    if end is not None and place.offset + len(chunk) > end:
                        raise Retry(f"{stream.origin} sends more bytes than it said")
                    if place.offset + len(chunk) > bytes_max:
                        raise Refused(f"{stream.origin}: it has more than {bytes_max} bytes")
                    await self._bandwidth.spend(len(chunk))
                    yield chunk
                    patience.restart()
            if end is None and place.offset < (link.least or 0) and "transfer-encoding" not in stream.headers:
                raise Retry(
                    f"{stream.origin}: {place.offset} bytes came before the connection ended, which nobody said would be all, "
                    f"and the callback says {link.least}"
                )


class _Patience:
    """Measures the waiting for bytes alone: neither what a bandwidth makes us wait nor what a disk takes."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._waited = 0.0
        self._came = 0
        self.restart()

    def restart(self) -> None:
        self._began = self._now()

    def is_over(self, came: int) -> bool:
        """Whether too little came for the time that was waited."""
        self._waited += self._now() - self._began
        self._came += came
        if self._waited < SLOW_SECONDS:
            return False
        slow = self._came < SLOW_BYTES_MIN
        self._waited, self._came = 0.0, 0
        return slow


def _range(place: Position) -> dict[str, str]:
    """What asks for the rest of this very file, and of a file that was not begun for all of it."""
    if not place.offset:
        return {}
    assert place.version.validator is not None  # else it would have been begun anew
    return {"range": f"bytes={place.offset}-", "if-range": place.version.validator}


def _check(begun: Begun, place: Position, origin: str) -> None:
    """Whether the answer goes on where we are. Raises Changed, Retry."""
    if begun.start != place.offset:
        if begun.start == 0:
            raise Changed
        raise Retry(f"{origin} sends bytes from {begun.start} on, and not from {place.offset}")
    if place.offset and not place.version.is_of(begun.version):
        raise Changed
    if place.offset and place.total is not None and begun.total not in (None, place.total):
        raise Changed
