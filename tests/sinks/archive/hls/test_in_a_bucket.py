"""An HLS recording in an object store: the same promises as in a folder, over moto's S3."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway import Progress
from tests.sinks.archive.conftest import Opening, archived, place
from tests.sinks.archive.hls.conftest import END, asked_for, hls_delivery, octets, retried, segments, text
from tests.sinks.archive.media_server import Media, MediaServer


def stored(bucket: Any) -> dict[str, Any]:
    return {one.key.removeprefix("live/main/job.hls/"): one.Object() for one in bucket.objects.all()}


@pytest.mark.parametrize("limit", [0, 2**30], ids=["straight", "spooled"])
async def test_a_recording_is_whole_before_it_appears_and_each_file_has_its_own_type(
    archive: Opening, server: MediaServer, bucket: Any, endpoint: str, tmp_path: Path, limit: int
) -> None:
    playlist = segments(server, "", 4).replace("#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXTINF', 1)
    server.files |= {"/r.m3u8": text(playlist), "/k": text(b"0123456789abcdef")}
    missing = server.files.pop("/2.ts")
    options = {**place(endpoint), "hls": {"keys": "beside"}, "spool": {"folder": str(tmp_path / "sp"), "limit": limit}}
    async with archive(options) as sink:
        _, again = await retried(sink, hls_delivery(server.url + "/r.m3u8"))
        assert sorted(stored(bucket)) == ["0.ts", "1.ts", "3.ts", "about.txt", "k.key"]
        server.files["/2.ts"] = missing
        asked_for(server)
        [file] = archived(await sink.deliver(again)).files
        assert asked_for(server) == (["/2.ts"] if limit else ["/r.m3u8", "/2.ts"])
    objects = stored(bucket)
    assert objects["2.ts"].get()["Body"].read() == octets(missing)
    assert {name: one.content_type for name, one in objects.items()} == {
        **{f"{n}.ts": "video/mp2t" for n in range(4)},  # the server said text/html
        "about.txt": "text/plain; charset=utf-8",
        "index.m3u8": "application/vnd.apple.mpegurl",
        "k.key": "application/octet-stream",
    }
    assert file.archived is not None
    assert file.archived.url == f"{endpoint}/kept/live/main/job.hls/index.m3u8"
    assert list((tmp_path / "sp").iterdir()) == []


async def test_a_segment_that_is_larger_than_the_spool_goes_straight_into_the_bucket(
    archive: Opening, server: MediaServer, bucket: Any, endpoint: str, tmp_path: Path
) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 2, size=200_000))
    options = {**place(endpoint), "spool": {"folder": str(tmp_path / "sp"), "limit": 100_000}}
    async with archive(options) as sink:
        archived(await sink.deliver(hls_delivery(server.url + "/r.m3u8")))
    assert stored(bucket)["1.ts"].get()["Body"].read() == octets(server.files["/1.ts"])
    assert list((tmp_path / "sp").iterdir()) == []


async def test_without_a_spool_a_segment_of_which_nobody_can_tell_the_rest_is_fetched_anew(
    archive: Opening, server: MediaServer, bucket: Any, endpoint: str, tmp_path: Path
) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 1, size=2_000_000))
    server.files["/0.ts"].etag = None
    server.drop_after = [10**9, 1_000_000]
    options = {**place(endpoint), "spool": {"folder": str(tmp_path / "sp"), "limit": 0}}
    async with archive(options) as sink:
        detail, again = await retried(sink, hls_delivery(server.url + "/r.m3u8"))
        assert detail.startswith("0.ts: the file changed while it was copied")
        archived(await sink.deliver(again))
    assert stored(bucket)["0.ts"].get()["Body"].read() == octets(server.files["/0.ts"])


async def test_a_long_file_of_byte_ranges_goes_on_where_it_was(
    archive: Opening, server: MediaServer, bucket: Any, endpoint: str, tmp_path: Path
) -> None:
    size = 20 * 2**20
    ranges = f"#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:{size}@0\nall.mp4\n{END}"
    server.files = {"/r.m3u8": text(ranges), "/all.mp4": Media(size)}
    server.drop_after = [2**20, 12 * 2**20, 0, 0]  # the first is the playlist's
    options = {**place(endpoint), "spool": {"folder": str(tmp_path / "sp")}}
    async with archive(options) as sink:
        _, again = await retried(sink, hls_delivery(server.url + "/r.m3u8"))
    async with archive(options) as sink:
        archived(await sink.deliver(again))
    assert server.sent < size + 2**20
    assert stored(bucket)["all.mp4"].get()["Body"].read() == octets(server.files["/all.mp4"])


async def test_a_stop_in_the_middle_of_a_long_file_is_no_loss(
    archive: Opening, server: MediaServer, bucket: Any, endpoint: str, tmp_path: Path
) -> None:
    size = 20 * 2**20
    ranges = f"#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:{size}@0\nall.mp4\n{END}"
    server.files = {"/r.m3u8": text(ranges), "/all.mp4": Media(size)}
    server.stall_after = [2**20, 12 * 2**20]
    options = {**place(endpoint), "spool": {"folder": str(tmp_path / "sp")}}
    memos: list[Any] = []

    async def keep(memo: Mapping[str, Any] | None, _: Progress | None) -> None:
        if memo is not None:
            memos.append(json.loads(json.dumps(dict(memo))))

    first = hls_delivery(server.url + "/r.m3u8").replace(heartbeat=keep)
    async with archive(options) as sink:
        delivering = asyncio.ensure_future(sink.deliver(first))
        while server.sent < 12 * 2**20:
            await asyncio.sleep(0.005)
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
    async with archive(options) as sink:
        archived(await sink.deliver(first.replace(heartbeat=None, memo=memos[-1])))
    goes_on_at = int(server.asked[-1].headers["range"].removeprefix("bytes=").rstrip("-"))
    assert goes_on_at > 2**20  # behind the first stall; the sockets between hold some megabytes
    assert stored(bucket)["all.mp4"].get()["Body"].read() == octets(server.files["/all.mp4"])
