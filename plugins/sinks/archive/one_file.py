"""Copies one file that is one object: fetched, compared with what was said, put under a key that is free, looked at."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from gateway import Refused, Retry
from plugins.sinks.archive.answer import FileVersion
from plugins.sinks.archive.fetch import Changed, Position
from plugins.sinks.archive.job import NUMBERS_MAX, Copied, Fetched, FileJob, NoRoom
from plugins.sinks.archive.media_types import media_type_of_key
from plugins.sinks.archive.mismatch import check_size


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
    placing, key = job.memo.get("placing"), _placing_key(job)
    if not isinstance(placing, Mapping) or key is None:
        return None
    sha256, size = placing.get("sha256"), placing.get("size")
    there = await job.shop.storage.head(key, hashed=sha256 is not None)
    if there is None or there.size_bytes != size or (sha256 is not None and there.sha256 != sha256):
        return None
    return Copied(key, there.size_bytes, sha256, placing.get("etag"), placing.get("type"))


def _placing_key(job: FileJob) -> str | None:
    placing = job.memo.get("placing")
    key = placing.get("key") if isinstance(placing, Mapping) else None
    return key if isinstance(key, str) else None


async def _place(job: FileJob, fetched: Fetched) -> Copied:
    """Under the first key where nothing else lies. Raises Refused where too many others do."""
    size, sha256, version = fetched.size_bytes, fetched.sha256, fetched.version
    before = _placing_key(job)
    for key in job.candidates():
        async with job.lock(key):
            there = None if job.shop.options.overwrite else await job.shop.storage.head(key)
            # one of another size is ours only where an attempt before this one put it, and the store kept a part of it
            near = there is not None and (there.size_bytes == size or key == before)
            ours = near and await _is_same(job, key, sha256)
            if there is not None and not ours:
                continue
            kept = ours and there is not None and there.size_bytes == size
            if not kept:
                await _say_placing(job, key, size, sha256, version)
                await job.put(
                    key, fetched.path, size=size, media_type=media_type_of_key(key), sha256=sha256, remembered=True
                )
                await _check_it_is_there(job, key, size)
            return Copied(key, size, sha256, version.etag, version.media_type, text="there already" * kept)
    raise _no_name(job)


async def _is_same(job: FileJob, key: str, sha256: str) -> bool:
    there = await job.shop.storage.head(key, hashed=True)
    job.progress.moved()
    return there is not None and there.sha256 == sha256


def _no_name(job: FileJob) -> Refused:
    return Refused(f"{job.key}: {NUMBERS_MAX} other files have this name; put {{id}} into `key`")


async def _say_placing(job: FileJob, key: str, size: int | None, sha256: str | None, version: FileVersion) -> None:
    """Before the object is put, so that whoever comes after a crash knows it as ours."""
    placing: dict[str, object] = {"key": key, "sha256": sha256, "size": size}
    job.memo["placing"] = {**placing, "etag": version.etag, "type": version.media_type}
    await job.keep()


async def _check_it_is_there(job: FileJob, key: str, size: int) -> None:
    """Whether the object is there as it was sent."""
    there = await job.shop.storage.head(key)
    if there is None or there.size_bytes != size:
        found = "is not there" if there is None else f"has {there.size_bytes} bytes"
        raise Retry(f"{key} {found} after {size} were written")


async def _straight(job: FileJob) -> Copied:
    """Without a spool: as it comes it goes, and what is interrupted begins anew."""
    job.memo.pop("place", None)
    for key in job.candidates():
        async with job.lock(key):
            if job.shop.options.overwrite or await job.shop.storage.head(key) is None:
                return await _stream(job, key)
    raise _no_name(job)


async def _stream(job: FileJob, key: str) -> Copied:
    place, digest = Position(), hashlib.sha256()
    async with job.turn(job.link.ends), aclosing(_hashed(job, place, digest)) as pieces:
        first = await anext(pieces, b"")
        await _say_placing(job, key, place.total, None, place.version)
        body = _after(first, pieces)
        await job.put(key, body, size=place.total, media_type=media_type_of_key(key), in_turn=True)
    await _check_it_is_there(job, key, place.offset)
    return Copied(key, place.offset, digest.hexdigest(), place.version.etag, place.version.media_type)


async def _hashed(job: FileJob, place: Position, digest: hashlib._Hash) -> AsyncGenerator[bytes]:
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
