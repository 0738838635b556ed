"""What a playlist may make the archive call, and with whose keys: hostile ones are refused within bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.testing import Reply, ScriptedServer
from tests.sinks.archive.conftest import Opening, archived
from tests.sinks.archive.hls.conftest import END, asked_for, hls_delivery, kept, octets, refused, segments, text
from tests.sinks.archive.media_server import Media, MediaServer


@pytest.mark.parametrize(
    ("segment", "words"),
    [
        ("file:///etc/passwd", "line 3: the address begins with file:"),
        ("http://10.0.0.1/x.ts", "x.ts: 10.0.0.1"),
        ("http://[fe80::1]:8000/x.ts", "x.ts: "),
        ("http://127.0.0.1:22/x.ts", "x.ts: "),
        ("/moved.ts", "moved.ts: HTTP 302 from"),
        ("/large.ts", "large.ts: "),
    ],
)
async def test_an_address_that_may_not_be_called_is_refused_in_words(
    archive: Opening, server: MediaServer, tmp_path: Path, segment: str, words: str
) -> None:
    playlist = f"#EXTM3U\n#EXTINF:1,\n{segment}\n{END}"
    server.files = {"/r.m3u8": text(playlist), "/large.ts": Media(100_000)}
    if "moved" in segment:
        server.status = [(200, playlist.encode()), (302, b"")]
    opening = archive({"hls": {"max_segment": 65536}})
    assert words in await refused(opening, hls_delivery(server.url + "/r.m3u8"))
    assert not list((tmp_path / "kept").rglob("*.m3u8"))


async def test_a_playlist_without_an_end_is_read_up_to_its_bound(archive: Opening, server: MediaServer) -> None:
    server.files["/r.m3u8"] = Media(10**9)
    assert "is over 8388608 bytes" in await refused(archive(), hls_delivery(server.url + "/r.m3u8"))
    assert server.sent < 2 * 8388608


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(headers=(("content-encoding", "gzip"),), body=b"x"), "sends the playlist r.m3u8 packed"),
        (Reply(status=302, headers=(("location", "http://10.0.0.1/"),)), "the playlist r.m3u8: HTTP 302 from"),
        (
            Reply(body=b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttp://10.0.0.1/v.m3u8\n"),
            "the playlist v.m3u8: 10.0.0.1",
        ),
        (
            Reply(body=b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n"),
            "the playlist v.m3u8 is named by a master playlist, and is one itself",
        ),
    ],
)
async def test_a_playlist_that_is_not_there_as_it_should_be_is_named(
    archive: Opening, reply: Reply, words: str
) -> None:
    async with ScriptedServer(reply, otherwise=reply) as server:
        assert words in await refused(archive(), hls_delivery(server.url + "/r.m3u8?sig=canary"))


async def test_all_playlists_together_have_a_bound(
    archive: Opening, server: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.sinks.archive.hls.gather.PLAYLISTS_BYTES_MAX", 10_000)
    variants = "".join(f"#EXT-X-STREAM-INF:BANDWIDTH=1\n{n}.m3u8\n" for n in range(5))
    server.files["/r.m3u8"] = text("#EXTM3U\n" + variants)
    server.files |= {f"/{n}.m3u8": text(segments(server, f"/{n}", 100)) for n in range(5)}
    assert "are over 10000 bytes together" in await refused(archive(), hls_delivery(server.url + "/r.m3u8"))


async def test_the_files_that_all_playlists_name_have_a_bound(
    archive: Opening, server: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.sinks.archive.hls.gather.OBJECTS_MAX", 3)
    server.files["/r.m3u8"] = text(
        "#EXTM3U\n" + "".join(f"#EXT-X-STREAM-INF:BANDWIDTH=1\n{n}.m3u8\n" for n in range(9))
    )
    server.files |= {f"/{n}.m3u8": text(segments(server, f"/{n}", 2)) for n in range(9)}
    assert "playlists name over 6 files" in await refused(archive(), hls_delivery(server.url + "/r.m3u8"))
    assert asked_for(server) == ["/r.m3u8", *[f"/{n}.m3u8" for n in range(4)]]


async def test_what_a_session_names_is_copied_within_its_bound(
    archive: Opening, server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.sinks.archive.hls.copy_run.DATA_BYTES_MAX", 1000)
    master = '#EXTM3U\n#EXT-X-SESSION-DATA:DATA-ID="a",URI="data.json"\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv/v.m3u8\n'
    server.files = {"/r.m3u8": text(master), "/v/v.m3u8": text(segments(server, "/v", 1)), **server.files}
    server.files["/data.json"] = Media(1001)
    assert "data.json: " in await refused(archive(), hls_delivery(server.url + "/r.m3u8"))
    server.files["/data.json"] = Media(1000)
    async with archive() as sink:
        archived(await sink.deliver(hls_delivery(server.url + "/r.m3u8")))
    copies = kept(tmp_path / "kept/main/job.hls")
    assert copies["data.json"] == octets(server.files["/data.json"])
    assert b'URI="data.json"' in copies["index.m3u8"]


async def test_all_files_together_have_a_bound(archive: Opening, server: MediaServer) -> None:
    server.files["/r.m3u8"] = text(segments(server, "", 40))
    detail = await refused(archive({"max_size": 50_000}), hls_delivery(server.url + "/r.m3u8"))
    assert "50000 bytes" in detail or "bytes, more than" in detail
    assert len(asked_for(server)) < 25


async def test_keys_of_ours_sign_only_what_lies_in_the_listed_bucket_of_the_signed_playlist(
    archive: Opening, server: MediaServer
) -> None:
    playlist = "#EXTM3U\n#EXTINF:1,\na.ts\n#EXTINF:1,\n/vendor/live/b.ts\n#EXTINF:1,\n/vendor/other/c.ts\n" + END
    elsewhere = f"#EXTM3U\n#EXTINF:1,\n{server.url}/vendor/live/a.ts\n{END}"
    media = {name: Media(3000) for name in ("/vendor/live/x/a.ts", "/vendor/live/b.ts", "/vendor/other/c.ts")}
    server.files = {"/vendor/live/x/r.m3u8": text(playlist), "/r.m3u8": text(elsewhere), **media}
    server.files["/vendor/live/a.ts"] = Media(3000)
    read = {"endpoint": server.url, "bucket": "vendor", "prefix": "live/", "path_style": True}
    keys = {"access_key": "AK-canary-0123456789", "secret_key": "SK-canary-0123456789"}
    async with archive({"private": [{**read, **keys}], "key": "{name}/{id}.{format}"}) as sink:
        archived(await sink.deliver(hls_delivery(server.url + "/vendor/live/x/r.m3u8")))
        signed = {one.target.partition("?")[0]: "Signature=" in one.target for one in server.asked}
        archived(await sink.deliver(hls_delivery(server.url + "/r.m3u8")))
        last = server.asked[-1]
    assert signed == {
        "/vendor/live/x/r.m3u8": True,
        "/vendor/live/x/a.ts": True,
        "/vendor/live/b.ts": True,
        "/vendor/other/c.ts": False,
    }
    assert (last.target, "authorization" in last.headers) == ("/vendor/live/a.ts", False)


async def test_a_key_is_small_and_what_a_server_calls_its_files_is_not_handed_on(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    playlist = f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXTINF:1,\nx.html\n{END}'
    server.files = {"/r.m3u8": text(playlist), "/k": Media(70_000), "/x.html": Media(3000, media_type="text/html")}
    opening = archive({"hls": {"keys": "beside"}})
    assert "k.key: " in await refused(opening, hls_delivery(server.url + "/r.m3u8"))
    server.files["/k"] = text(b"0123456789abcdef")
    async with archive({"hls": {"keys": "beside"}}) as sink:
        archived(await sink.deliver(hls_delivery(server.url + "/r.m3u8")))
    assert sorted(kept(tmp_path / "kept/main/job.hls")) == ["index.m3u8", "k.key", "x_html.ts"]
