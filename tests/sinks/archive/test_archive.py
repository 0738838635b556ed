"""The archive sink, into a folder: whole or not there, under a name of its own, and said as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import RECORDING_ARCHIVED, RECORDING_MISSING, RECORDING_STARTED, Done, File, Refused, Storage, Unavailable
from gateway.testing import NOW, SinkPromises, delivery, event, running
from plugins.sinks.archive import Archive
from tests.sinks.archive.conftest import HERE, Opening, archived, of
from tests.sinks.archive.media_server import Media, MediaServer
from tests.sinks.disks import read_only

SIGNED = {"sign_type": "hmac-sha256-fields", "domains": ["push.example.com"], "apps": ["live"]}


class TestArchiveKeepsThePromises(SinkPromises):
    sink = Archive

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.to = str(tmp_path)

    def options(self, url: str) -> Mapping[str, Any]:
        read = {"endpoint": "https://obs.example.com", "bucket": "vendor", "prefix": "live/"}
        keys = {"access_key": "AK-canary-0123456789", "secret_key": "SK-canary-0123456789"}
        return {"to": self.to, "allow": HERE, "private": [{**read, **keys}]}


async def test_a_finished_file_is_copied_and_told_with_what_was_measured(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    media = server.files["/a.mp4"] = Media(3_000_000)
    async with archive() as sink:
        follow_up = archived(await sink.deliver(of(server.url + "/a.mp4?sig=x", size=3_000_000)))
    [file] = follow_up.files
    kept = tmp_path / "kept/main/job.mp4"
    assert (follow_up.type, kept.stat().st_size) == (RECORDING_ARCHIVED, 3_000_000)
    assert file.archived is not None
    assert file.measured is not None
    assert (file.archived.url, file.sha256) == (f"file://{kept}", media.sha256)
    assert (file.measured.size_bytes, file.measured.etag, file.confirmed) == (3_000_000, '"first"', None)
    assert kept.read_bytes() == b"".join(media.pieces())
    assert list((tmp_path / "kept/.spool").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "sizes", "told"),
    [
        ({}, {"job.mp4": 10, "job-2.mp4": 20, "job-3.mp4": 30}, "job-3.mp4"),
        ({"overwrite": True}, {"job.mp4": 30}, "job.mp4"),
    ],
)
async def test_another_file_under_the_same_name_gets_one_of_its_own(
    changes: Mapping[str, Any],
    sizes: Mapping[str, int],
    told: str,
    archive: Opening,
    server: MediaServer,
    tmp_path: Path,
) -> None:
    async with archive(changes) as sink:
        for size in (10, 20, 20, 30, 30):  # the same file again is no second one
            server.files["/a.mp4"] = Media(size)
            [file] = archived(await sink.deliver(of(server.url + "/a.mp4"))).files
    assert {path.name: path.stat().st_size for path in (tmp_path / "kept/main").iterdir()} == sizes
    assert file.archived is not None
    assert file.archived.url.endswith(f"/{told}")


async def test_files_of_one_event_and_of_two_at_once_never_share_a_name(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    server.files |= {f"/{n}.mp4": Media(1000, seed=n) for n in range(6)}
    urls = [f"{server.url}/{n}.mp4" for n in range(6)]
    async with archive({"parallel": 2}) as sink:
        answers = await asyncio.gather(*[sink.deliver(of(*some, id=some[0])) for some in (urls[:3], urls[3:])])
    places = [file.archived.url for answer in answers for file in archived(answer).files if file.archived]
    assert len(set(places)) == 6
    assert len(list((tmp_path / "kept/main").iterdir())) == 6


@pytest.mark.parametrize(
    ("options", "mismatch", "receipt"),
    [
        ({}, [{"file": 0, "what": "size_bytes", "said": 999, "measured": 1000}], "1 not as the callback says"),
        ({"verify": "none"}, None, "main/job.mp4, 1000 bytes"),
    ],
)
async def test_a_size_that_is_not_as_the_callback_says_is_told(
    options: Mapping[str, Any], mismatch: object, receipt: str, archive: Opening, server: MediaServer
) -> None:
    server.files["/a.mp4"] = Media(1000)
    async with archive(options) as sink:
        answer = await sink.deliver(of(server.url + "/a.mp4", size=999))
    follow_up = archived(answer)
    assert follow_up.data.get("mismatch") == mismatch
    assert follow_up.files[0].size_bytes == 999  # the vendor's word stays the vendor's
    assert isinstance(answer, Done)
    assert (answer.receipt or "").endswith(receipt)


async def test_or_nothing_is_kept_where_the_options_say_so(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/a.mp4"] = Media(1000)
    async with archive({"on_mismatch": "fail"}) as sink:
        with pytest.raises(Refused, match="1000 bytes came, and the callback says 999"):
            await sink.deliver(of(server.url + "/a.mp4", size=999))
        archived(await sink.deliver(of(server.url + "/a.mp4", size=1000)))
    assert [path.name for path in (tmp_path / "kept/main").iterdir()] == ["job.mp4"]
    assert list((tmp_path / "kept/.spool").iterdir()) == []


async def test_a_file_that_can_never_be_had_is_told_beside_those_that_are_kept(
    archive: Opening, server: MediaServer
) -> None:
    server.files["/a.mp4"] = Media(1000)
    async with archive() as sink:
        answer = await sink.deliver(of("http://10.0.0.1/b.mp4", server.url + "/a.mp4"))
    assert isinstance(answer, Done)
    good, lost = answer.events
    assert [(one.type, len(one.files)) for one in (good, lost)] == [(RECORDING_ARCHIVED, 1), (RECORDING_MISSING, 1)]
    assert "10.0.0.1:80 may not be called" in lost.data["error"]["message"]


async def test_more_files_than_an_event_can_tell_of_are_refused(archive: Opening, server: MediaServer) -> None:
    async with archive() as sink:
        with pytest.raises(Refused, match="the event has 101 files, and an archive takes 100 of one event"):
            await sink.deliver(of(*[f"{server.url}/{n}.mp4" for n in range(101)]))
    assert server.asked == []


async def test_where_too_many_others_have_the_name_nothing_is_left_in_the_spool(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    server.files["/a.mp4"] = Media(1000)
    (tmp_path / "kept/main").mkdir()
    for name in ("job", *[f"job-{number}" for number in range(2, 101)]):
        (tmp_path / f"kept/main/{name}.mp4").write_bytes(b"another")
    async with archive() as sink:
        with pytest.raises(Refused, match=r"main/job\.mp4: 100 other files have this name; put \{id\} into `key`"):
            await sink.deliver(of(server.url + "/a.mp4"))
    assert list((tmp_path / "kept/.spool").iterdir()) == []


async def test_what_no_signature_covers_is_never_followed(archive: Opening, server: MediaServer) -> None:
    server.files["/bucket/a.mp4"] = Media(10)
    storage = Storage(location=server.url, bucket="bucket", key="a.mp4")
    async with archive() as sink:
        assert await sink.deliver(of(files=(File(format="mp4", storage=storage),))) == (
            "nothing to archive: no file with an address"
        )
    assert server.asked == []


async def test_only_files_of_the_wanted_formats_are_copied(archive: Opening, server: MediaServer) -> None:
    server.files |= {"/a.mp4": Media(10), "/b.flv": Media(20)}
    files = [File(download_url=f"{server.url}/{name}") for name in ("a.mp4", "b.flv", "c.TS?x=1")]
    async with archive({"only": "flv"}) as sink:
        answer = await sink.deliver(of(files=tuple(files), format=None))
        assert [file.size_bytes for file in archived(answer).files] == [20]
        assert await sink.deliver(delivery(event(RECORDING_STARTED))) == (
            "nothing to archive: no file with an address of these formats"
        )
    assert [one.target for one in server.asked] == ["/b.flv"]


async def test_the_file_whose_link_ends_first_is_fetched_first(archive: Opening, server: MediaServer) -> None:
    """Of one event and of several that wait for their turn."""
    server.files |= {f"/{n}.mp4": Media(1000, seed=n) for n in range(8)}

    def file(n: int, hours: int | None) -> File:
        ends = None if hours is None else NOW + timedelta(hours=hours)
        return File(format="mp4", download_url=f"{server.url}/{n}.mp4", expires_at=ends)

    async with archive({"parallel": 1, "key": "{name}"}) as sink:
        one = of(files=(file(0, 5), file(1, None), file(2, 1)), id="1")
        other = of(files=(file(3, 2), file(4, None), file(5, 4)), id="2")
        await asyncio.gather(sink.deliver(one), sink.deliver(other))
    assert [asked.target[1] for asked in server.asked][1:] == ["3", "5", "0", "1", "4"]


async def test_what_lies_on_a_host_of_the_operator_is_confirmed(archive: Opening, server: MediaServer) -> None:
    server.files["/bucket/a.mp4"] = Media(10)
    async with archive({"confirm": {"allow": ["127.0.0.1/bucket"]}}) as sink:
        [file] = archived(await sink.deliver(of(server.url + "/bucket/a.mp4"))).files
    assert file.confirmed == file.measured is not None


async def test_a_whole_gateway_archives_and_tells_by_its_routes(server: MediaServer, tmp_path: Path) -> None:
    """From YAML alone, and a route without conditions archives nothing twice."""
    media = server.files["/live/a.mp4"] = Media(100_000)
    configuration = {
        "sources": {"live": {"type": "huawei-live", "keys": ["a-key-of-thirty-two-characters-00"], **SIGNED}},
        "sinks": {"keep": {"type": "archive", "to": str(tmp_path), "allow": HERE}, "tell": {"type": "recorder"}},
        "routes": [{"to": ["keep"]}, {"match": {"type": RECORDING_ARCHIVED}, "to": ["tell", "keep"]}],
    }
    async with running(configuration) as gateway:
        url = f"{server.url}/live/a.mp4"
        fields = {"download_url": url, "publish_domain": "push.example.com", "app": "live", "record_format": "MP4"}
        await gateway.send("RECORD_FILE_COMPLETE", fields=fields)
        [told] = gateway.delivered("tell")
    assert told.files[0].sha256 == media.sha256
    assert len(server.asked) == 1


async def test_a_person_can_ask_whether_the_folder_can_be_written(archive: Opening, tmp_path: Path) -> None:
    async with archive() as sink:
        assert await sink.connect() == f"{tmp_path}/kept can be written"
        with read_only(tmp_path / "kept"), pytest.raises(Unavailable, match=r"kept: (permission denied|read-only)"):
            await sink.connect()


async def test_a_folder_that_is_not_there_is_no_folder_to_make(tmp_path: Path, archive: Opening) -> None:
    (tmp_path / "kept").rmdir()
    with pytest.raises(Unavailable, match="the folder is not there"):
        async with archive():
            pass
    assert not (tmp_path / "kept").exists()
