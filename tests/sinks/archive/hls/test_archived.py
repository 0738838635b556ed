"""An HLS recording in the archive: whole or not there, nothing fetched twice, and said as it is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import RECORDING_ARCHIVED, Progress, Refused, Stopping
from gateway.testing import NOW
from plugins.sinks.archive.hls import copy_run
from tests.sinks.archive.conftest import Opening, archived
from tests.sinks.archive.hls.conftest import (
    END,
    asked_for,
    hls_delivery,
    kept,
    octets,
    refused,
    retried,
    segments,
    text,
)
from tests.sinks.archive.media_server import Media, MediaServer


async def test_a_master_with_all_it_names_is_copied_and_told_with_its_address_bytes_and_seconds(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    high, low = segments(server, "/v/high", 3), segments(server, "/v/low", 3, seconds=2.5)
    low = low.replace("#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="../k.bin?t=1"\n#EXTINF', 1)
    server.files["/v/k.bin"] = text(b"0123456789abcdef")
    server.files["/v/high/high.m3u8"], server.files["/v/low/low.m3u8"] = text(high), text(low)
    top = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\nhigh/high.m3u8?x=1\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{}/low.m3u8\n"
    server.files["/v/all.m3u8"] = text(top.format(f"{server.url}/v/low"))
    async with archive({"hls": {"keys": "beside"}}) as sink:
        follow_up = archived(await sink.deliver(hls_delivery(f"{server.url}/v/all.m3u8?sig=x", seconds=6.9)))
    folder = tmp_path / "kept/main/job.hls"
    assert kept(folder) == {
        **{f"high/{n}.ts": octets(server.files[f"/v/high/{n}.ts"]) for n in range(3)},
        **{f"low/{n}.ts": octets(server.files[f"/v/low/{n}.ts"]) for n in range(3)},
        "low/k_bin.key": b"0123456789abcdef",
        "high.m3u8": re.sub(r"(\d\.ts)\?sign=\d", r"high/\1", high).encode(),
        "low.m3u8": re.sub(r"(\d\.ts)\?sign=\d", r"low/\1", low).replace("../k.bin?t=1", "low/k_bin.key").encode(),
        "index.m3u8": top.format(".").replace("high/high.m3u8?x=1", "high.m3u8").replace("./", "").encode(),
    }
    [file] = follow_up.files
    assert file.archived is not None
    assert file.measured is not None
    assert (follow_up.type, file.archived.url) == (RECORDING_ARCHIVED, f"file://{folder}/index.m3u8")
    assert file.measured.size_bytes == sum(map(len, kept(folder).values()))
    assert (file.duration_seconds, dict(follow_up.data)) == (6.9, {"hls": [{"file": 0, "seconds": 7.5}]})  # near enough
    assert list((tmp_path / "kept/.spool").iterdir()) == []


async def test_nothing_can_be_played_before_all_is_there_and_then_only_what_was_missing_is_fetched(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 5))
    missing = server.files.pop("/3.ts")
    async with archive() as sink:
        detail, again = await retried(sink, hls_delivery(server.url + "/r.m3u8"))
        assert detail.startswith("3.ts: HTTP 404 from")
        assert detail.endswith("; 4 of 5 files are there")
        assert sorted(kept(tmp_path / "kept/main/job.hls")) == ["0.ts", "1.ts", "2.ts", "4.ts"]
        server.files["/3.ts"] = missing
        asked_for(server)
        archived(await sink.deliver(again))
        assert asked_for(server) == ["/3.ts"]
    assert len(kept(tmp_path / "kept/main/job.hls")) == 6


async def test_a_playlist_without_an_end_mark_is_waited_for(archive: Opening, server: MediaServer) -> None:
    whole = segments(server, "", 4)
    server.files["/r.m3u8"] = text(whole.replace(END, ""))
    async with archive() as sink:
        detail, again = await retried(sink, hls_delivery(server.url + "/r.m3u8?sig=canary"))
        assert detail == (
            "the recording goes on: the playlist r.m3u8 has 4 segments and no end mark (#EXT-X-ENDLIST); it is looked at again"
        )
        assert asked_for(server) == ["/r.m3u8"]
        server.files["/r.m3u8"] = text(whole)
        archived(await sink.deliver(again))


async def test_what_drops_stalls_and_changes_is_fetched_until_it_is_whole(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 40, size=100_000))
    for number in range(0, 40, 3):
        server.files[f"/{number}.ts"].etag = None
    server.drop_after = [2**18, 2**16, 0, 2**17, 0, 0, 2**16, 2**18, 0, 2**16]
    async with archive({"parallel": 3}) as sink:
        archived(await sink.deliver(hls_delivery(server.url + "/r.m3u8")))
    copies = kept(tmp_path / "kept/main/job.hls")
    assert [n for n in range(40) if copies[f"{n}.ts"] != octets(server.files[f"/{n}.ts"])] == []


async def test_a_server_that_is_down_is_left_alone_after_a_few_files(archive: Opening, server: MediaServer) -> None:
    playlist = text(segments(server, "", 60))
    server.status = [(200, playlist.content), *[(503, b"busy")] * 60]
    async with archive() as sink:
        detail, _ = await retried(sink, hls_delivery(server.url + "/r.m3u8"))
    assert "HTTP 503" in detail
    assert len(asked_for(server)) <= 1 + 8 + 4


async def test_a_server_of_which_every_second_file_fails_is_left_alone_and_the_memo_stays_short(
    archive: Opening, server: MediaServer
) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 160, size=10))
    for number in range(0, 160, 2):
        del server.files[f"/{number}.ts"]
    async with archive() as sink:
        again = hls_delivery(server.url + "/r.m3u8")
        for _ in range(3):
            detail, again = await retried(sink, again)
        assert "HTTP 404" in detail
        assert len(json.dumps(dict(again.memo))) < 2000


async def test_a_gateway_that_stops_hands_over_and_nothing_that_is_there_is_fetched_again(
    archive: Opening, server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_run, "KEEP_SECONDS", math.inf)  # a slow machine keeps it more often
    server.files["/r.m3u8"] = text(segments(server, "", 100))
    memos: list[Mapping[str, Any]] = []

    async def heartbeat(memo: Mapping[str, Any] | None, _: Progress | None) -> None:
        if memo is not None:
            memos.append(json.loads(json.dumps(dict(memo))))
        if len(memos) > 1:  # the second one knows of 64 files
            raise Stopping("the gateway stops")

    first = hls_delivery(server.url + "/r.m3u8").replace(heartbeat=heartbeat)
    async with archive() as sink:
        with pytest.raises(Stopping):
            await sink.deliver(first)
        there = set(kept(tmp_path / "kept/main/job.hls"))
        assert 64 <= len(there) < 100
        asked_for(server)
        archived(await sink.deliver(first.replace(heartbeat=None, memo=memos[-1])))
    assert {path.removeprefix("/") for path in asked_for(server)} & there == set()
    assert len(kept(tmp_path / "kept/main/job.hls")) == 101


async def test_a_link_that_ended_hinders_only_what_is_not_there_yet(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    """Not even the playlists are asked for again."""
    server.files["/r.m3u8"] = text(segments(server, "", 5))
    missing = server.files.pop("/4.ts")
    async with archive() as sink:
        _, again = await retried(sink, hls_delivery(server.url + "/r.m3u8", expires_at=NOW - timedelta(seconds=1)))
        server.files = {"/4.ts": missing}
        asked_for(server)
        server.status = [(403, b"expired")]
        with pytest.raises(Refused, match=r"^4\.ts: the link ended at 20"):
            await sink.deliver(again)
        archived(await sink.deliver(again))
    assert asked_for(server) == ["/4.ts", "/4.ts"]


async def test_a_length_that_is_not_the_callbacks_is_told_or_refused(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 3))
    late = hls_delivery(server.url + "/r.m3u8", seconds=60)
    assert "its segments are 6 s long" in await refused(archive({"on_mismatch": "fail"}), late)
    assert asked_for(server) == ["/r.m3u8"]
    async with archive() as sink:
        follow_up = archived(await sink.deliver(late))
    assert follow_up.data["mismatch"] == [{"file": 0, "what": "duration_seconds", "said": 60, "measured": 6.0}]


async def test_the_same_recording_again_is_no_second_copy_and_another_one_gets_a_folder_of_its_own(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 3))
    first = hls_delivery(server.url + "/r.m3u8")
    async with archive() as sink:
        archived(await sink.deliver(first))
        asked_for(server)
        archived(await sink.deliver(first))  # replayed: without a memo
        assert asked_for(server) == ["/r.m3u8"]
        (tmp_path / "kept/main/job.hls/2.ts").unlink()
        archived(await sink.deliver(first))
        assert asked_for(server) == ["/r.m3u8", "/2.ts"]
        other = first.replace(event=first.event.replace(id="another"))
        [file] = archived(await sink.deliver(other)).files
    assert file.archived is not None
    assert file.archived.url.endswith("/main/job-2.hls/index.m3u8")
    assert sorted(path.name for path in (tmp_path / "kept/main").iterdir()) == ["job-2.hls", "job.hls"]


async def test_a_recording_that_the_vendor_wrote_anew_meanwhile_is_copied_anew_beside_what_was_begun(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 3))
    del server.files["/2.ts"]
    async with archive() as sink:
        _, again = await retried(sink, hls_delivery(server.url + "/r.m3u8"))
        for path in (tmp_path / "kept/.spool").iterdir():  # the playlists, which are there no more on another machine
            path.unlink()
        server.files["/r.m3u8"] = text(segments(server, "", 4, size=5000))
        archived(await sink.deliver(again))
    copies = kept(tmp_path / "kept/main/job-2.hls")
    assert {name: len(copies[name]) for name in copies if name.endswith("ts")} == {
        f"{n}.ts": 5000 + n for n in range(4)
    }


async def test_one_recording_over_another_is_never_a_mixture_of_both(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 4))
    first = hls_delivery(server.url + "/r.m3u8")
    other = first.replace(event=first.event.replace(id="another"))
    folder = tmp_path / "kept/main/job.hls"
    async with archive({"overwrite": True}) as sink:
        archived(await sink.deliver(first))
        server.files["/r.m3u8"] = text(segments(server, "", 4, size=5000))
        missing = server.files.pop("/2.ts")
        _, again = await retried(sink, other)
        assert kept(folder)["index.m3u8"] == b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n"
        server.files["/2.ts"] = missing
        archived(await sink.deliver(other))  # its memo was lost: nothing there is trusted
        archived(await sink.deliver(again))
    copies = kept(folder)
    assert [len(copies[f"{n}.ts"]) for n in range(4)] == [5000, 5001, 5002, 5003]
    assert b"3.ts" in copies["index.m3u8"]


async def test_a_file_where_the_folder_would_be_leaves_the_sink_well(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 2))
    (tmp_path / "kept/main").mkdir()
    (tmp_path / "kept/main/job.hls").write_text("a file")
    async with archive({"overwrite": True}) as sink:
        archived(await sink.deliver(hls_delivery(server.url + "/r.m3u8")))
    assert "index.m3u8" in kept(tmp_path / "kept/main/job-2.hls")


async def test_byte_ranges_of_one_file_fetch_it_once_and_must_be_in_it(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    def ranges(last: int) -> str:
        return (
            "#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:70000@0\nall.mp4\n"
            f"#EXTINF:1,\n#EXT-X-BYTERANGE:{last}\nall.mp4\n#EXTINF:1,\n#EXT-X-GAP\nnot-there.mp4\n{END}"
        )

    server.files = {"/r.m3u8": text(ranges(30_000)), "/all.mp4": Media(100_000)}
    async with archive({"hls": {"max_segment": 65536}}) as sink:  # it bounds segments that are files
        archived(await sink.deliver(hls_delivery(server.url + "/r.m3u8")))
        assert asked_for(server) == ["/r.m3u8", "/all.mp4"]
        server.files["/r.m3u8"] = text(ranges(30_001))
        late = hls_delivery(server.url + "/r.m3u8")
        detail, _ = await retried(sink, late.replace(event=late.event.replace(id="another")))
    assert "it has 100000 bytes, and a byte range of it goes up to 100001" in detail
    assert kept(tmp_path / "kept/main/job.hls")["all.mp4"] == octets(server.files["/all.mp4"])
