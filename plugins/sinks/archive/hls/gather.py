"""Reads a recording's playlists, waits where one still grows, and remembers them until the copy is whole."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Final

from gateway import Refused, Retry
from plugins.sinks.archive.fetch import FileLink
from plugins.sinks.archive.hls.addresses import spoken
from plugins.sinks.archive.hls.bounds import OBJECTS_MAX, PLAYLIST_BYTES_MAX, PLAYLISTS_BYTES_MAX
from plugins.sinks.archive.hls.plan import Plan, media_addresses, plan_of
from plugins.sinks.archive.hls.playlist import Playlist, parse_playlist
from plugins.sinks.archive.hls.tags import Role
from plugins.sinks.archive.job import FileJob
from plugins.sinks.archive.private_bucket import private_object, signed_address

_REMEMBERED: Final = "playlists"  # the spool's name for them


async def plan_for(job: FileJob, digest: str | None) -> Plan:
    """The plan of this job's recording. `digest` is that of a plan that was begun: its playlists are in the spool, so that
    a link that has ended since hinders only what is not there yet.

    Raises Retry while the recording goes on, Refused.
    """
    if digest is not None and (texts := await _remembered(job)) is not None:
        plan = await _read_all(job, texts)
        if plan.digest == digest:
            return plan
    texts = {}
    plan = await _read_all(job, texts)
    await _remember(job, texts)
    return plan


async def forget_playlists(job: FileJob) -> None:
    """The copy is whole."""
    await job.shop.spool.file(job.spool_name(_REMEMBERED)).remove()


def link_to(job: FileJob, url: str) -> FileLink:
    """The address of one file of the recording. It is signed with our keys only where the first playlist was, and where it
    lies in the same listed bucket: what a playlist elsewhere names is nobody's word for a private object."""
    if job.link.address is None:
        return FileLink(url, job.link.ends)
    buckets, trust = job.shop.options.private, job.event.trust
    first, other = (private_object(one, trust, buckets) for one in (job.link.url, url))
    if first is None or other is None or first[0] is not other[0]:
        return FileLink(url)
    return FileLink(url, None, partial(signed_address, *other))


async def _read_all(job: FileJob, texts: dict[str, bytes]) -> Plan:
    """The plan by these texts; what is not among them is fetched, and put among them."""
    keys = job.shop.options.hls.keys
    content = await _playlist_text(job, job.link.url, texts)
    top = await asyncio.to_thread(parse_playlist, content, job.link.url, keys=keys)
    media: list[Playlist] = []
    spots = 0
    for url in media_addresses(top) if top.is_master else ():
        content = await _playlist_text(job, url, texts)
        playlist = await asyncio.to_thread(parse_playlist, content, url, keys=keys, imported=top.variables.defined)
        _check_end(playlist)
        media.append(playlist)
        if (spots := spots + len(playlist.spots)) > 2 * OBJECTS_MAX:
            raise Refused(f"the recording's playlists name over {2 * OBJECTS_MAX} files")
    if not top.is_master:
        _check_end(top)
    return await asyncio.to_thread(plan_of, top, media)


def _check_end(playlist: Playlist) -> None:
    segments = sum(spot.role is Role.SEGMENT for spot in playlist.spots)
    if playlist.is_master:
        return  # `plan_of` says what is wrong with that
    if not playlist.is_ended:
        raise Retry(
            f"the recording goes on: the playlist {spoken(playlist.url)} has {segments} segments and no end mark "
            "(#EXT-X-ENDLIST); it is looked at again"
        )
    if not segments:
        raise Retry(f"the playlist {spoken(playlist.url)} has an end mark and no segment")


async def _playlist_text(job: FileJob, url: str, texts: dict[str, bytes]) -> bytes:
    if url in texts:
        return texts[url]
    link = job.link if url == job.link.url else link_to(job, url)
    place = f"the playlist {spoken(url)}"
    try:
        answer = await job.read_small(link, PLAYLIST_BYTES_MAX)
    except Refused as failure:
        raise Refused(f"{place}: {failure.detail}", status=failure.status) from None
    except Retry as failure:
        raise Retry(f"{place}: {failure.detail}", failure.after, status=failure.status) from None
    if answer.truncated:
        raise Refused(f"{place} is over {PLAYLIST_BYTES_MAX} bytes")
    if answer.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Refused(f"{answer.origin} sends {place} packed, though that was not asked for")
    if sum(map(len, texts.values())) + len(answer.body) > PLAYLISTS_BYTES_MAX:
        raise Refused(f"the recording's playlists are over {PLAYLISTS_BYTES_MAX} bytes together")
    texts[url] = answer.body
    return answer.body


async def _remember(job: FileJob, texts: dict[str, bytes]) -> None:
    written = await asyncio.to_thread(lambda: json.dumps({url: text.decode() for url, text in texts.items()}).encode())
    spooled = job.shop.spool.file(job.spool_name(_REMEMBERED))
    await spooled.open(0)
    try:
        if not await job.shop.spool.promise(spooled.path.name, len(written)):
            return  # then they are read again
        await spooled.write(written)
        await spooled.flush()
    finally:
        spooled.close()


async def _remembered(job: FileJob) -> dict[str, bytes] | None:
    path = job.shop.spool.file(job.spool_name(_REMEMBERED)).path

    def load() -> dict[str, bytes] | None:
        try:
            texts = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return {url: text.encode() for url, text in texts.items()} if isinstance(texts, dict) else None

    return await job.shop.spool.on_disk(load)
