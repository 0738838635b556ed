"""What an interruption leaves: a spool and a memo, with which the next attempt goes on, and no object that is not whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway import Delivery, Progress, Retry, Stopping
from gateway.testing import FrozenClock
from plugins.sinks.archive import copy_progress, one_file
from plugins.sinks.archive import job as jobs
from plugins.sinks.archive import spool as spools
from tests.sinks.archive.conftest import Opening, archived, of
from tests.sinks.archive.media_server import Media, MediaServer

SIZE = 8_000_000
CUT = 4_000_000


class Beats:
    """What a gateway would keep of a delivery's heartbeats; `stop` makes the next one raise."""

    def __init__(self) -> None:
        self.memo: Mapping[str, Any] = {}
        self.progress: list[Progress] = []
        self.stop = False

    async def __call__(self, memo: Mapping[str, Any] | None, progress: Progress | None) -> None:
        if memo is not None:
            self.memo = json.loads(json.dumps(memo))
        if progress is not None:
            self.progress.append(progress)
        if self.stop:
            raise Stopping("the gateway is to stop")

    def of(self, delivery: Delivery) -> Delivery:
        return delivery.replace(memo=self.memo, heartbeat=self)


def spooled_bytes(spool: Path) -> int:
    return sum(path.stat().st_size for path in spool.iterdir()) if spool.exists() else 0


async def cut_off(archive: Opening, server: MediaServer, beats: Beats, spool: Path) -> None:
    """An attempt that ends like a process: in the middle, without a word."""
    server.files["/a.mp4"] = Media(SIZE)
    server.stall_after = [CUT]
    async with archive() as sink:
        task = asyncio.ensure_future(sink.deliver(beats.of(of(server.url + "/a.mp4"))))
        while spooled_bytes(spool) <= CUT - 2**20:  # all that came but what was gathered for one write
            await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_what_was_there_is_not_fetched_again(archive: Opening, server: MediaServer, tmp_path: Path) -> None:
    beats = Beats()
    await cut_off(archive, server, beats, tmp_path / "kept/.spool")
    assert not (tmp_path / "kept/main").exists()
    [spooled] = (tmp_path / "kept/.spool").iterdir()
    begun = spooled.stat().st_size
    async with archive() as sink:
        [file] = archived(await sink.deliver(beats.of(of(server.url + "/a.mp4")))).files
    assert file.sha256 == Media(SIZE).sha256
    assert server.asked[-1].headers["range"] == f"bytes={begun}-"
    assert beats.memo["files"]["0"]["done"][1] == SIZE
    assert list((tmp_path / "kept/.spool").iterdir()) == []


@pytest.mark.parametrize("loss", ["spool", "power", "nobody knows", "other", "memo", "damaged"])
async def test_what_was_lost_is_fetched_again_and_never_mixed(
    loss: str, archive: Opening, server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if loss == "nobody knows":  # a system that does not tell one start of it from another
        monkeypatch.setattr(spools, "_BOOT", tmp_path / "none")
    beats = Beats()
    await cut_off(archive, server, beats, tmp_path / "kept/.spool")
    [spooled] = (tmp_path / "kept/.spool").iterdir()
    part: Any = beats.memo["files"]["0"]
    if loss == "spool":
        spooled.unlink()
    if loss in ("power", "nobody knows"):  # what was not flushed is not what was written
        part["boot"] = "another" if loss == "power" else part["boot"]
        spooled.write_bytes(spooled.read_bytes()[: part["place"]["offset"]] + bytes(CUT))
    if loss == "other":
        server.files["/a.mp4"] = Media(SIZE, seed=9, etag='"second"')
    if loss == "memo":
        beats.memo = {}
    if loss == "damaged":
        beats.memo = {"files": {"0": {"place": {"offset": "x"}, "boot": 7, "placing": [], "done": [1]}}, "x": None}
    async with archive() as sink:
        [file] = archived(await sink.deliver(beats.of(of(server.url + "/a.mp4")))).files
    assert file.sha256 == server.files["/a.mp4"].sha256
    flushed = f"bytes={part['place']['offset']}-" if loss in ("power", "nobody knows") else None
    assert server.asked[-1].headers.get("range") == flushed


@pytest.mark.parametrize(
    ("meanwhile", "asked", "names"),
    [("nothing", 1, ["job.mp4"]), ("deleted", 2, ["job.mp4"]), ("another", 2, ["job-2.mp4", "job.mp4"])],
)
async def test_a_crash_between_the_object_and_its_memo_copies_nothing_twice(
    meanwhile: str,
    asked: int,
    names: list[str],
    archive: Opening,
    server: MediaServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    server.files["/a.mp4"] = Media(SIZE)
    beats = Beats()
    with monkeypatch.context() as patched:
        patched.setattr(one_file, "_check_it_is_there", _crash)
        async with archive() as sink:
            with pytest.raises(RuntimeError):
                await sink.deliver(beats.of(of(server.url + "/a.mp4")))
    if meanwhile == "deleted":
        (tmp_path / "kept/main/job.mp4").unlink()
    if meanwhile == "another":
        (tmp_path / "kept/main/job.mp4").write_bytes(bytes(SIZE))
    async with archive() as sink:
        [file] = archived(await sink.deliver(beats.of(of(server.url + "/a.mp4")))).files
    assert (file.sha256, len(server.asked)) == (Media(SIZE).sha256, asked)
    assert sorted(path.name for path in (tmp_path / "kept/main").iterdir()) == names
    assert (tmp_path / "kept/main" / names[0]).read_bytes() == b"".join(Media(SIZE).pieces())


async def _crash(*_: object) -> None:
    raise RuntimeError("the process ends here")


async def test_a_file_that_is_done_is_not_fetched_for_one_that_failed(archive: Opening, server: MediaServer) -> None:
    server.files["/a.mp4"] = Media(SIZE)
    delivery = of(server.url + "/a.mp4", server.url + "/b.mp4")
    async with archive() as sink:
        with pytest.raises(Retry, match="HTTP 404") as raised:
            await sink.deliver(delivery)
        server.files["/b.mp4"] = Media(1000, seed=3)
        follow_up = archived(await sink.deliver(delivery.replace(memo=raised.value.memo or {})))
    assert [file.sha256 for file in follow_up.files] == [Media(SIZE).sha256, Media(1000, seed=3).sha256]
    assert sorted(one.target for one in server.asked) == ["/a.mp4", "/b.mp4", "/b.mp4"]


async def test_it_ends_at_once_when_the_gateway_is_to_stop(
    archive: Opening, server: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "KEEP_SECONDS", 0.0)
    server.files["/a.mp4"] = Media(SIZE)
    beats = Beats()
    beats.stop = True
    async with archive() as sink:
        with pytest.raises(Stopping):
            await sink.deliver(beats.of(of(server.url + "/a.mp4")))


async def test_it_says_how_far_it_is(archive: Opening, server: MediaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "KEEP_SECONDS", 0.0)
    server.files |= {"/a.mp4": Media(SIZE), "/b.mp4": Media(1000)}
    beats = Beats()
    async with archive() as sink:
        archived(await sink.deliver(beats.of(of(server.url + "/a.mp4", server.url + "/b.mp4"))))
    done = [progress.done or 0 for progress in beats.progress]
    assert done == sorted(done)
    assert beats.progress[-1].replace(text="") == Progress(SIZE + 1000, SIZE + 1000)
    assert {progress.text for progress in beats.progress} >= {"main/job.mp4"}


async def test_whoever_waits_for_a_turn_is_alive_and_whoever_stands_still_is_not(
    archive: Opening, server: MediaServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(copy_progress, "STILL_SECONDS_MAX", 0.0)  # nothing moves while the clock stands
    server.files["/a.mp4"] = Media(SIZE)
    server.stall_after = [CUT]
    first, second = Beats(), Beats()
    clock = FrozenClock()
    async with archive({"parallel": 1}, clock=clock) as sink:
        tasks = [
            asyncio.ensure_future(sink.deliver(beats.of(of(server.url + "/a.mp4", id=str(number)))))
            for number, beats in enumerate((first, second))
        ]
        while spooled_bytes(tmp_path / "kept/.spool") <= CUT - 2**20:
            await asyncio.sleep(0.005)
        heard = len(first.progress), len(second.progress)
        for _ in range(3):
            clock.advance(copy_progress.BEAT_SECONDS)
            for _ in range(20):
                await asyncio.sleep(0)
        assert (len(first.progress), len(second.progress)) == (heard[0], heard[1] + 3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_two_that_carry_one_delivery_do_not_write_one_file(archive: Opening, server: MediaServer) -> None:
    server.files["/a.mp4"] = Media(SIZE)
    server.stall_after = [CUT]
    async with archive() as sink, archive() as other:
        first = asyncio.ensure_future(sink.deliver(of(server.url + "/a.mp4")))
        while not server.sent >= CUT:
            await asyncio.sleep(0.005)
        with pytest.raises(Retry, match="another delivery writes it"):
            await other.deliver(of(server.url + "/a.mp4"))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
