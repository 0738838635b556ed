"""Copies one of the many files of an HLS recording: into the spool and the storage, or straight where there is no room."""

from __future__ import annotations

from collections.abc import AsyncGenerator, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass, fields

from gateway import Refused, Retry
from plugins.sinks.archive.fetch import Changed, Position
from plugins.sinks.archive.hls.copy_names import media_type_of
from plugins.sinks.archive.hls.gather import link_to
from plugins.sinks.archive.hls.plan import PlannedFile
from plugins.sinks.archive.job import FileJob, NoRoom


@dataclass(frozen=True)
class _PartOfJob(FileJob):
    """The recording's job with a memo of this file's own; how far it is is shown by the recording's."""

    def show(self, done: int, total: int | None, text: str = "") -> None:
        self.progress.moved()


async def copy_file(
    job: FileJob, item: PlannedFile, key: str, bytes_max: int, memo: MutableMapping[str, object] | None
) -> int:
    """How many bytes it has. `memo`, of a long file, is where it can go on after a crash; None: it begins anew.

    Raises Retry, Refused, Unavailable, Stopping.
    """
    values = {one.name: getattr(job, one.name) for one in fields(FileJob)}
    part = _PartOfJob(**{**values, "memo": {} if memo is None else memo})
    if await job.shop.spool.promise(job.spool_name(item.name), item.reach or 1):
        try:
            return await _spooled(part, item, key, bytes_max, remembered=memo is not None)
        except NoRoom:
            pass
    return await _straight(part, item, key, bytes_max)


async def _spooled(job: FileJob, item: PlannedFile, key: str, bytes_max: int, *, remembered: bool) -> int:
    spooled = job.shop.spool.file(job.spool_name(item.name))
    try:
        fetched = await job.fetch(link_to(job, item.url), item.name, bytes_max=bytes_max, remembered=remembered)
        spooled, size = fetched.spooled, fetched.size_bytes
        _check_reach(item, size)
        await job.put(key, fetched.path, size=size, media_type=media_type_of(item.name), sha256=fetched.sha256)
    except BaseException as failure:
        spooled.close()
        if not remembered or isinstance(failure, Refused | NoRoom):  # else the half is of use
            await spooled.remove()
        raise
    await spooled.remove()
    return size


async def _straight(job: FileJob, item: PlannedFile, key: str, bytes_max: int) -> int:
    """As it comes it goes."""
    place = Position()
    async with aclosing(_pieces(job, item, place, bytes_max)) as pieces:
        await job.put(key, pieces, media_type=media_type_of(item.name))
    return place.offset


async def _pieces(job: FileJob, item: PlannedFile, place: Position, bytes_max: int) -> AsyncGenerator[bytes]:
    try:
        async with aclosing(job.shop.fetcher.pieces(link_to(job, item.url), place, bytes_max=bytes_max)) as pieces:
            async for piece in pieces:
                job.progress.moved()
                yield piece
    except Changed:
        raise Retry("the file changed while it was copied") from None
    _check_reach(item, place.offset)


def _check_reach(item: PlannedFile, size: int) -> None:
    if size < item.reach:
        raise Retry(f"it has {size} bytes, and a byte range of it goes up to {item.reach}")
