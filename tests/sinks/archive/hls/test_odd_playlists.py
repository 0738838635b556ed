"""Playlists that are not there, say too little or were written anew, and names that are taken: waited for, read again, never mixed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from gateway import Unavailable
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


@pytest.mark.parametrize(
    ("playlist", "words"),
    [
        (None, "the playlist r.m3u8: HTTP 404 from"),
        (f"#EXTM3U\n{END}", "the playlist r.m3u8 has an end mark and no segment"),
    ],
    ids=["not there", "empty"],
)
async def test_a_playlist_that_is_not_there_or_says_nothing_yet_is_waited_for(
    playlist: str | None, words: str, archive: Opening, server: MediaServer
) -> None:
    if playlist is not None:
        server.files["/r.m3u8"] = text(playlist)
    async with archive() as sink:
        detail, again = await retried(sink, hls_delivery(server.url + "/r.m3u8?sig=canary"))
        assert detail.startswith(words)
        server.files["/r.m3u8"] = text(segments(server, "", 2))
        archived(await sink.deliver(again))


async def test_segments_that_do_not_say_how_long_they_are_have_no_wrong_length(
    archive: Opening, server: MediaServer
) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 2).replace("2.0", "-1", 1))
    async with archive({"on_mismatch": "fail"}) as sink:
        follow_up = archived(await sink.deliver(hls_delivery(server.url + "/r.m3u8", seconds=60)))
    assert (follow_up.files[0].duration_seconds, "mismatch" in follow_up.data) == (60, False)


async def test_without_its_parser_a_playlist_waits_until_somebody_installs_it(
    archive: Opening, server: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "m3u8.parser", None)
    server.files["/r.m3u8"] = text(segments(server, "", 2))
    async with archive() as sink:
        with pytest.raises(Unavailable, match=r"HLS needs m3u8: .*'\.\[archive\]'"):
            await sink.deliver(hls_delivery(server.url + "/r.m3u8"))


async def test_where_too_many_other_recordings_have_the_name_it_is_refused(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 2))
    (tmp_path / "kept/main").mkdir()
    for name in ("job", *[f"job-{number}" for number in range(2, 101)]):
        (tmp_path / f"kept/main/{name}.hls").write_bytes(b"another")
    detail = await refused(archive(), hls_delivery(server.url + "/r.m3u8"))
    assert detail == "main/job.hls: 100 other recordings have this name; put {id} into `key`"


async def test_playlists_that_were_read_after_what_the_memo_knows_are_read_again(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    """A crash after they were read anew, and before the memo knew it."""
    server.files["/r.m3u8"] = text(segments(server, "", 3))
    del server.files["/2.ts"]
    async with archive() as sink:
        _, again = await retried(sink, hls_delivery(server.url + "/r.m3u8"))
        first = again.replace(memo=json.loads(json.dumps(dict(again.memo))))
        for path in (tmp_path / "kept/.spool").iterdir():
            path.unlink()
        server.files["/r.m3u8"] = text(segments(server, "", 4, size=5000))
        del server.files["/3.ts"]
        await retried(sink, again)
        segments(server, "", 4, size=5000)
        asked_for(server)
        archived(await sink.deliver(first))  # as the first attempt left it
        assert "/r.m3u8" in asked_for(server)
    copies = kept(tmp_path / "kept/main/job-2.hls")
    assert [len(copies[f"{n}.ts"]) for n in range(4)] == [5000, 5001, 5002, 5003]


async def test_the_memo_of_many_half_copied_files_is_short_and_no_bytes_are_mixed(
    archive: Opening, server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_run, "RESUMED_BYTES_MIN", 1000)
    monkeypatch.setattr(copy_run, "PARTS_MAX", 1)
    names = ("a.mp4", "b.mp4")
    lines = [f"#EXTINF:1,\n#EXT-X-BYTERANGE:2000000@0\n{name}\n" for name in names]
    server.files = {"/r.m3u8": text("#EXTM3U\n" + "".join(lines) + END)}
    server.files |= {f"/{name}": Media(2_000_000, seed=seed) for seed, name in enumerate(names)}
    server.drop_after = [10**9, 1_000_000, 0, 1_000_000, 0]  # each breaks twice
    async with archive({"parallel": 1}) as sink:
        _, again = await retried(sink, hls_delivery(server.url + "/r.m3u8"))
        [half] = again.memo["files"]["0"]["hls"]["parts"].values()
        assert half["place"]["offset"] >= 1_000_000
        archived(await sink.deliver(again))
    copies = kept(tmp_path / "kept/main/job.hls")
    assert [copies[name] == octets(server.files[f"/{name}"]) for name in names] == [True, True]
