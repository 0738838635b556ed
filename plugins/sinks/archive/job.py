"""One file of one delivery on its way into the storage: what its copying may use, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import weakref
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from gateway import Answer, Event, File, Http, Refused, Retry, Via
from plugins.sinks.archive.answer import FileVersion, failure
from plugins.sinks.archive.copy_progress import CopyProgress
from plugins.sinks.archive.fetch import Changed, Fetcher, FileLink, Position
from plugins.sinks.archive.key import Name, numbered
from plugins.sinks.archive.options import ArchiveOptions
from plugins.sinks.archive.spool import Spool, SpoolFile, boot_id
from plugins.sinks.archive.turns import Turns
from plugins.sinks.storage.storage import FileBody, FileStorage, Resume

NUMBERS_MAX: Final = 100  # of other files under one key
KEEP_SECONDS: Final = 5.0  # between two memos of one download
CHANGES_MAX: Final = 2  # of a file while it is fetched; then it is left alone for a while
_GROWTH_BYTES: Final = 64 * 2**20  # of room that is asked for at once, of a file that does not say how long it is
_WHOLE: Final = 2**62  # as much of a spooled file as there is


class NoRoom(Exception):
    """The spool has no room for a file of this size."""


class Fetched(NamedTuple):
    """A file that is whole, in the spool."""

    spooled: SpoolFile
    size_bytes: int
    sha256: str
    version: FileVersion

    @property
    def path(self) -> Path:
        return self.spooled.path


class Copied(NamedTuple):
    """A file that is in the storage. `key` is of the object, of HLS of its first playlist; `seconds` its measured length."""

    key: str
    size_bytes: int
    sha256: str | None = None
    etag: str | None = None
    media_type: str | None = None
    seconds: float | None = None
    text: str = ""


@dataclass(frozen=True)
class Shop:
    """What one sink's copies share."""

    name: str
    options: ArchiveOptions
    http: Http
    via: Via
    storage: FileStorage
    fetcher: Fetcher
    spool: Spool
    turns: Turns
    locks: weakref.WeakValueDictionary[str, asyncio.Lock] = field(default_factory=weakref.WeakValueDictionary)


@dataclass(frozen=True)
class FileJob:
    """One file. `memo` is this file's alone, and durable once `keep` returns; `name` the first that it may have."""

    shop: Shop
    progress: CopyProgress
    event: Event
    file: File
    number: int
    name: Name
    link: FileLink
    memo: MutableMapping[str, Any]

    async def fetch(
        self,
        link: FileLink,
        name: str = "",
        *,
        bytes_max: int | None = None,
        remembered: bool = False,
    ) -> Fetched:
        """Fetch a file into the spool; whoever has it removes it there.

        `name` tells a job's downloads apart. `remembered`: the memo says how far it is, so that it goes on after a crash.
        Raises Retry, Refused, Unavailable, Stopping; NoRoom where the spool is too small for it.
        """
        spooled = self.shop.spool.file(self.spool_name(name))
        async with self.turn(link.ends):
            try:
                place = await self._length_so_far(spooled, remembered)
                await self._fetch(link, spooled, place, bytes_max, remembered)
                await spooled.finish()
            except (Refused, NoRoom):  # nobody comes back for it
                await spooled.remove()
                raise
            except BaseException:
                spooled.close()
                raise
        return Fetched(spooled, spooled.offset, await spooled.hash(), place.version)

    async def read_small(self, link: FileLink, bytes_max: int) -> Answer:
        """A small file, in memory: a playlist. What is longer comes `truncated`. Raises Retry, Refused."""
        url = link.url if link.address is None else await link.address()
        async with self.turn(link.ends):
            answer = await self.shop.http.request("GET", url, via=self.shop.via, limit=bytes_max, classify=_unjudged)
        self.progress.moved()
        if answer.status != 200:
            raise failure(answer, link.ends)
        return answer

    async def put(
        self,
        key: str,
        body: FileBody,
        *,
        size: int | None = None,
        media_type: str | None = None,
        sha256: str | None = None,
        remembered: bool = False,
        in_turn: bool = False,
    ) -> None:
        """Put an object, whole or not at all; its bytes count as the delivery's getting on. `remembered`: the memo says how
        far it is, where the storage can go on after a crash. `in_turn`: the caller has its turn already."""
        sent = 0

        def count(octets: int) -> None:
            nonlocal sent
            sent += octets
            self.progress.moved(f"{key}, {sent / size:.0%} stored" if size else key)

        resume = Resume(self.shop.http, self.memo.setdefault("upload", {}), self.keep) if remembered else None
        async with contextlib.nullcontext() if in_turn else self.turn(self.link.ends):
            await self.shop.storage.put(
                key, body, size=size, media_type=media_type, sha256=sha256, sent=count, resume=resume
            )
        self.progress.moved()

    async def keep(self) -> None:
        """Make the memo durable. Raises Stopping."""
        await self.progress.keep()

    def show(self, done: int, total: int | None, text: str = "") -> None:
        """How far this file is, in bytes, for people."""
        self.progress.show(str(self.number), done, total, text)

    @property
    def now(self) -> datetime:
        return self.shop.http.clock.now()

    @property
    def key(self) -> str:
        """What it is called while nothing else is."""
        return self.name.key

    def candidates(self) -> Sequence[str]:
        """The keys to be tried one after the other, until nothing else lies under one."""
        return [numbered(self.name.plain, number) for number in range(self.name.number, self.name.number + NUMBERS_MAX)]

    @contextlib.asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[None]:
        """Held from the look at what lies under a key until our object does, so that two do not take one."""
        lock = self.shop.locks.setdefault(key, asyncio.Lock())
        with self.progress.waiting():
            await lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextlib.asynccontextmanager
    async def turn(self, ends: datetime | None) -> AsyncIterator[None]:
        """One of the places of `parallel`; whoever waits for it is alive. Never within another."""
        async with contextlib.AsyncExitStack() as stack:
            with self.progress.waiting():
                await stack.enter_async_context(self.shop.turns.turn(ends))
            yield

    def spool_name(self, name: str = "") -> str:
        """The name of a download of this job in the spool."""
        parts = (self.shop.name, self.event.source, self.event.ref, str(self.number), name)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    async def _length_so_far(self, spooled: SpoolFile, remembered: bool) -> Position:
        """How far the file is already: as far as the memo says, or all that is there if the system ran since then."""
        place = Position.of(self.memo.get("place")) if remembered else Position()
        ran_on = bool(self.memo.get("boot")) and self.memo.get("boot") == await self.shop.spool.on_disk(boot_id)
        began = "place" in self.memo and remembered
        await spooled.open(0 if not began else _WHOLE if ran_on else place.offset)
        self.progress.moved()
        if not spooled.offset:
            return Position()
        place.offset = spooled.offset
        return place

    async def _fetch(
        self,
        link: FileLink,
        spooled: SpoolFile,
        place: Position,
        bytes_max: int | None,
        remembered: bool,
    ) -> None:
        changes, kept_at, promised = 0, self._monotonic(), -1
        while True:
            try:
                async with aclosing(self.shop.fetcher.pieces(link, place, bytes_max=bytes_max)) as pieces:
                    async for piece in pieces:
                        await spooled.write(piece)
                        if max(place.total or 0, place.offset) > promised:
                            promised = max(place.total or 0, place.offset + _GROWTH_BYTES)
                            if not await self.shop.spool.promise(spooled.path.name, promised):
                                raise NoRoom
                            if remembered:  # so that a crash right after this finds of which file these bytes are
                                kept_at = await self._remember(spooled, place)
                        if remembered:
                            self.show(place.offset, place.total, self.key)
                            if self._monotonic() - kept_at >= KEEP_SECONDS:
                                kept_at = await self._remember(spooled, place)
                        else:
                            self.progress.moved()
                return
            except Changed:
                changes += 1
                if self.memo.pop("place", None) is not None:  # before others' bytes lie where it says that these do
                    await self.keep()
                await spooled.restart()
                place.begin_anew()
                if changes > CHANGES_MAX:
                    raise Retry(f"{self.key}: the file changes while it is fetched") from None
            except Retry:
                if remembered:
                    await self._remember(spooled, place)
                raise

    async def _remember(self, spooled: SpoolFile, place: Position) -> float:
        """Flush what came, and keep how far that is; when."""
        place.offset = await spooled.flush()
        self.memo["place"] = dict(place.memo())
        self.memo["boot"] = await self.shop.spool.on_disk(boot_id)
        await self.keep()
        return self._monotonic()

    def _monotonic(self) -> float:
        return self.shop.http.clock.monotonic()


def _unjudged(answer: Answer) -> None:
    """Its status is looked at afterwards."""
