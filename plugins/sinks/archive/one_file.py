"""Copies one file that is one object: fetched, compared with what was said, put under a key that is free, looked at."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final

from gateway import Refused, Retry
from plugins.sinks.archive.fetch import Changed, Position
from plugins.sinks.archive.job import Copied, Fetched, FileJob, NoRoom
from plugins.sinks.archive.key import numbered
from plugins.sinks.archive.mismatch import check_size

NUMBER_MAX: Final = 100  # of other files under one key


async def archive_file(job: FileJob) -> Copied:
    """The file in the storage. Raises Retry, Refused, Unavailable, Stopping; what came so far is in the spool and the memo."""
    if (kept := await _placed(job)) is not None:
        return kept
    try:
        fetched = await job.fetch(job.link, remembered=True)
    except NoRoom:
        return await _straight(job)
    try:
        check_size(job, fetched.size_bytes)
        kept = await _place(job, fetched)
    except Refused:
        await fetched.spooled.remove()
        raise
    finally:
        fetched.spooled.close()
    await fetched.spooled.remove()
    return kept


async def _placed(job: FileJob) -> Copied | None:
    """What an attempt before this had put, and could not say any more."""
    placing = job.memo.get("placing")
    if not isinstance(placing, Mapping) or not isinstance(key := placing.get("key"), str):
        return None
    sha256, size = placing.get("sha256"), placing.get("size")
    there = await job.shop.storage.head(key, hashed=sha256 is not None)
    if there is None or there.size_bytes != size or (sha256 is not None and there.sha256 != sha256):
        return None
    return Copied(key, there.size_bytes, sha256, placing.get("etag"), placing.get("type"))


async def _place(job: FileJob, fetched: Fetched) -> Copied:
    version = fetched.version
    async with job.lock():
        key, there = await _free_key(job, fetched.size_bytes, fetched.sha256)
        if not there:
            await _say_placing(job, key, fetched.size_bytes, fetched.sha256, version.etag, version.media_type)
            await job.put(
                key, fetched.path, size=fetched.size_bytes, media_type=version.media_type, sha256=fetched.sha256
            )
            await _check_it_is_there(job, key, fetched.size_bytes)
    return Copied(
        key, fetched.size_bytes, fetched.sha256, version.etag, version.media_type, text="there already" * there
    )


async def _say_placing(
    job: FileJob, key: str, size: int | None, sha256: str | None, etag: str | None, media_type: str | None
) -> None:
    """Before the object is put, so that whoever comes after a crash knows it as ours."""
    placing: dict[str, Any] = {"key": key, "sha256": sha256, "size": size, "etag": etag, "type": media_type}
    job.memo["placing"] = placing
    await job.keep()


async def _free_key(job: FileJob, size: int | None, sha256: str | None) -> tuple[str, bool]:
    """The key to write under, and whether this very file lies there. Raises Refused where too many others do."""
    if job.shop.options.overwrite:
        return job.key, False
    for number in range(1, NUMBER_MAX):
        key = numbered(job.key, number)
        there = await job.shop.storage.head(key)
        if there is None:
            return key, False
        if sha256 is not None and there.size_bytes == size:
            there = await job.shop.storage.head(key, hashed=True)
            job.progress.moved()
            if there is not None and there.sha256 == sha256:
                return key, True
    raise Refused(f"{job.key}: {NUMBER_MAX} other files have this name; put {{id}} into `key`")


async def _check_it_is_there(job: FileJob, key: str, size: int) -> None:
    """Whether the object is there as it was sent."""
    there = await job.shop.storage.head(key)
    if there is None or there.size_bytes != size:
        found = "is not there" if there is None else f"has {there.size_bytes} bytes"
        raise Retry(f"{key} {found} after {size} were written")


async def _straight(job: FileJob) -> Copied:
    """Without a spool: as it comes it goes, and what is interrupted begins anew."""
    place, digest = Position(), hashlib.sha256()
    job.memo.pop("place", None)
    await job.shop.spool.file(job.spool_name()).remove()
    async with job.lock():
        key, _ = await _free_key(job, None, None)
        async with aclosing(_hashed(job, place, digest)) as pieces:
            first = await anext(pieces, b"")
            await _say_placing(job, key, place.total, None, place.version.etag, place.version.media_type)
            await job.put(key, _after(first, pieces), size=place.total, media_type=place.version.media_type)
        await _check_it_is_there(job, key, place.offset)
    return Copied(key, place.offset, digest.hexdigest(), place.version.etag, place.version.media_type)


async def _hashed(job: FileJob, place: Position, digest: Any) -> AsyncGenerator[bytes]:
    try:
        async with aclosing(job.shop.fetcher.pieces(job.link, place)) as pieces:
            async for piece in pieces:
                digest.update(piece)
                job.show(place.offset, place.total, job.key)
                yield piece
    except Changed:
        raise Retry(f"{job.key}: the file changed while it was copied") from None
    check_size(job, place.offset)  # before the last part is sent, so that nothing is there where it raises


async def _after(first: bytes, rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    yield first
    async for piece in rest:
        yield piece
