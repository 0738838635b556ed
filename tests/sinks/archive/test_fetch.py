"""Fetching a file: it goes on where it broke, never mixes two files, and says in words why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import Delivery, DeliveryFailed, File, Http, Refused, Retry, Trust
from gateway.testing import NOW, Reply, ScriptedServer
from plugins.sinks.archive import fetch
from plugins.sinks.archive.answer import FileVersion
from tests.sinks.archive.conftest import Opening, archived, of
from tests.sinks.archive.media_server import Media, MediaServer

SIZE = 3_000_000


@dataclass
class Weather:
    """What happens to the connections of one file, and the `range` that each request has."""

    drop_after: Sequence[int] = ()
    stall_after: Sequence[int] = ()
    media: dict[str, Any] = field(default_factory=dict)
    ranges: Sequence[bool] = (False,)


@pytest.mark.parametrize(
    "weather",
    [
        Weather(),
        Weather([1_000_000, 500_000], ranges=(False, True, True)),
        Weather(stall_after=[1_000_000], ranges=(False, True)),
        Weather([1_000_000], media={"etag": None, "modified": "Sat, 01 Jan 2022 00:00:00 GMT"}, ranges=(False, True)),
        Weather([1_000_000], media={"etag": 'W/"weak"'}, ranges=(False, False)),
        Weather([1_000_000], media={"etag": None}, ranges=(False, False)),
        Weather([1_000_000], media={"ranges": False}, ranges=(False, True, False)),
        Weather(media={"chunked": True}),
        Weather([1_000_000], media={"chunked": True}, ranges=(False, True)),
        Weather([SIZE], media={"chunked": True}, ranges=(False, True)),
        Weather([1_000_000], media={"part_max": 1_000_000}, ranges=(False, True, True)),
        Weather(media={"size": 0}),
        Weather(media={"size": 1}),
    ],
    ids=[
        "calm", "dropped", "stalled", "by its date", "weak ETag", "no validator", "no ranges", "chunked",
        "chunked and dropped", "dropped at its end", "a part at a time", "empty", "one byte",
    ],
)  # fmt: skip
async def test_the_bytes_are_those_of_the_file_whatever_the_connections_do(
    weather: Weather, archive: Opening, server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "SILENCE_SECONDS", 0.3)
    media = server.files["/a.mp4"] = Media(**{"size": SIZE, **weather.media})
    server.drop_after, server.stall_after = list(weather.drop_after), list(weather.stall_after)
    async with archive() as sink:
        [file] = archived(await sink.deliver(of(server.url + "/a.mp4"))).files
    assert (file.sha256, file.size_bytes) == (media.sha256, media.size)
    assert (tmp_path / "kept/main/job.mp4").stat().st_size == media.size
    assert ["range" in one.headers for one in server.asked] == list(weather.ranges)
    assert all("if-range" in one.headers for one in server.asked if "range" in one.headers)


async def test_another_file_at_the_address_is_fetched_from_its_begin(archive: Opening, server: MediaServer) -> None:
    server.files["/a.mp4"] = Media(SIZE)
    server.drop_after = [1_000_000]
    other = Media(SIZE, seed=5, etag='"second"')

    async with archive() as sink:
        began = sink.deliver(of(server.url + "/a.mp4"))
        server.on_drop = lambda: server.files.update({"/a.mp4": other})
        [file] = archived(await began).files
    assert file.sha256 == other.sha256
    assert [one.status for one in server.asked] == [200, 200, 200]


@pytest.mark.parametrize(
    ("other", "status"),
    [
        (Media(500_000, seed=5), 416),
        (Media(SIZE, seed=5, etag='"second"', compares=False), 206),
        (Media(SIZE + 1, seed=5), 206),
    ],
    ids=["shorter", "of another ETag", "longer"],
)
async def test_another_file_is_seen_where_the_server_compares_nothing(
    other: Media, status: int, archive: Opening, server: MediaServer
) -> None:
    server.files["/a.mp4"] = Media(SIZE)
    server.drop_after = [1_000_000]
    server.on_drop = lambda: server.files.update({"/a.mp4": other})
    async with archive() as sink:
        [file] = archived(await sink.deliver(of(server.url + "/a.mp4"))).files
    assert file.sha256 == other.sha256
    assert [one.status for one in server.asked] == [200, status, 200]


@pytest.mark.parametrize(
    "memo",
    [
        None, "x", [], {}, {"offset": "x"}, {"offset": -1, "version": [None] * 3}, {"offset": True, "version": [None] * 3},
        {"offset": 5, "total": "9", "version": [None] * 3}, {"offset": 5, "version": ['"e"']}, {"offset": 5, "version": [1, 2, 3]},
    ],
)  # fmt: skip
def test_a_place_that_nobody_wrote_is_the_begin_of_the_file(memo: object) -> None:
    assert fetch.Position.of(memo) == fetch.Position()


def test_a_place_is_found_again_in_its_memo() -> None:
    place = fetch.Position(5, 9, FileVersion('"e"', None, "video/mp4"))
    assert fetch.Position.of(place.memo()) == place


async def test_a_file_that_changes_all_the_time_is_left_alone_for_a_while(
    archive: Opening, server: MediaServer
) -> None:
    server.files["/a.mp4"] = Media(SIZE, etag=None)
    server.drop_after = [1_000_000] * 9
    async with archive() as sink:
        with pytest.raises(Retry, match="changes while it is fetched"):
            await sink.deliver(of(server.url + "/a.mp4"))
    assert len(server.asked) == 3


def linked(url: str, ends: timedelta | None) -> Delivery:
    file = File(format="mp4", download_url=url, expires_at=None if ends is None else NOW + ends)
    return of(files=(file,))


@pytest.mark.parametrize(
    ("status", "ends", "failure", "text"),
    [
        (403, timedelta(hours=-1), Refused, "the link ended at 2025-12-31T23:00:00Z: HTTP 403"),
        (401, timedelta(hours=-1), Refused, "the link ended at"),
        (403, timedelta(hours=1), Retry, "HTTP 403"),
        (403, None, Retry, "HTTP 403"),
        (404, timedelta(hours=-1), Retry, "HTTP 404"),
        (410, None, Retry, "HTTP 410"),
        (302, None, Refused, "redirects are not followed"),
        (429, None, Retry, "HTTP 429"),
        (503, None, Retry, "HTTP 503"),
        (407, None, Retry, "HTTP 407"),
        (400, None, Refused, "HTTP 400"),
    ],
)
async def test_a_status_means_later_or_never_and_opens_no_circuit(
    status: int, ends: timedelta | None, failure: type[DeliveryFailed], text: str, archive: Opening
) -> None:
    headers = (("location", "http://127.0.0.1:1/"),) if status == 302 else ()
    async with ScriptedServer(Reply(status=status, headers=headers, body=b"no")) as scripted, archive() as sink:
        with pytest.raises(failure, match=text) as raised:
            await sink.deliver(linked(scripted.url + "/a.mp4?sig=canary", ends))
        assert "canary" not in raised.value.detail
        assert len(scripted.received) == 1
    assert not getattr(raised.value, "service", False)


@pytest.mark.parametrize(
    ("reply", "failure", "text"),
    [
        (Reply(raw=b"HTTP/1.1 204 No\r\n\r\n"), Refused, "HTTP 204"),
        (Reply(status=206, body=b"x"), Retry, "does not say which part"),
        (Reply(status=206, headers=(("content-range", "bytes 5-5/9"),), body=b"x"), Retry, "sends bytes from 5 on"),
        (Reply(status=206, headers=(("content-range", "bytes 0-0/1"),), body=b"xx"), Retry, "more bytes than it said"),
        (Reply(headers=(("content-encoding", "gzip"),), body=b"x"), Refused, "packed"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 2000001\r\n\r\nx"), Refused, "more than 2000000"),
        (Reply(body=b"x" * 2_000_001), Refused, "more than 2000000"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000_001), Refused, "more than 2000000"),
        (Reply(raw=b"SSH-2.0-x\r\n"), Retry, "not HTTP"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nno"), Retry, "ended too early"),
        (Reply(raw=b""), Retry, "closed the connection"),
    ],
)
async def test_an_answer_that_is_no_file_leaves_nothing_in_the_archive(
    reply: Reply, failure: type[DeliveryFailed], text: str, archive: Opening, tmp_path: Path
) -> None:
    async with ScriptedServer(reply) as scripted, archive({"max_size": 2_000_000}) as sink:
        with pytest.raises(failure, match=text):
            await sink.deliver(of(scripted.url + "/a.mp4"))
    assert [path.name for path in (tmp_path / "kept").iterdir()] == [".spool"]


async def test_who_drips_holds_no_place_for_ever(archive: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "SLOW_SECONDS", 0.2)
    async with ScriptedServer(Reply(drip=True, body=b"x" * 50_000)) as scripted, archive(clock=Http().clock) as sink:
        with pytest.raises(Retry, match=r"less than 65536 bytes came in 0\.2 s"):
            await sink.deliver(of(scripted.url + "/a.mp4"))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.mp4", "http://0x7f.1/a", "file:///etc/passwd", "http://[::1]/a"])
async def test_an_address_that_is_not_public_is_not_called(url: str, archive: Opening) -> None:
    async with archive({"allow": []}) as sink:
        with pytest.raises(Refused, match=r"may( not)? be called"):
            await sink.deliver(of(url))


@pytest.mark.parametrize("trust", [Trust.NONE, Trust.TIMESTAMP])
async def test_an_event_whose_signature_covers_no_address_is_refused(
    trust: Trust, archive: Opening, server: MediaServer
) -> None:
    async with archive() as sink:
        with pytest.raises(Refused, match="min_trust"):
            await sink.deliver(of(server.url + "/a.mp4", trust=trust))
    assert server.asked == []
