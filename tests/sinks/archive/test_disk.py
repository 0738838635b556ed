"""Disks: one that hangs stops nobody else, one that is full or gone opens the circuit, and nothing is left lying for ever."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from gateway import DeliveryFailed, Retry, Unavailable
from plugins.sinks.archive.spool import KEPT_SECONDS
from plugins.sinks.storage.disk import Disk
from tests.patience import PATIENCE_S
from tests.sinks.archive.conftest import Opening, archived, of
from tests.sinks.archive.media_server import Media, MediaServer


async def test_a_job_that_hangs_takes_one_thread_and_no_exit() -> None:
    disk, stuck = Disk("d", 2), threading.Event()
    hanging = asyncio.ensure_future(disk.work(stuck.wait, "d"))
    assert [await disk.work(lambda n=n: n, "d") for n in range(5)] == [0, 1, 2, 3, 4]  # type: ignore[misc]
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    assert [await disk.work(lambda n=n: n, "d") for n in range(5)] == [0, 1, 2, 3, 4]  # type: ignore[misc]
    stuck.set()
    await asyncio.wait_for(disk.close(), PATIENCE_S)


@pytest.mark.parametrize(
    ("number", "failure"),
    [(errno.ENOSPC, Unavailable), (errno.EROFS, Unavailable), (errno.ENOENT, Unavailable), (errno.EINTR, Retry)],
)
async def test_trouble_with_a_disk_is_of_all_files_or_of_this_one(number: int, failure: type[DeliveryFailed]) -> None:
    def job() -> None:
        raise OSError(number, os.strerror(number), "/secret/path")

    disk = Disk("d", 1)
    with pytest.raises(failure, match=f"^/kept: {os.strerror(number).lower()}$"):
        await disk.work(job, "/kept")
    await disk.close()


async def test_what_nobody_went_on_with_is_deleted_after_a_week(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    spool = tmp_path / "kept/.spool"
    spool.mkdir()
    for name, age in (("old", KEPT_SECONDS + 60), ("young", 60)):
        (spool / name).write_bytes(b"x")
        at = os.stat(spool / name).st_mtime - age
        os.utime(spool / name, (at, at))
    server.files["/a.mp4"] = Media(10)
    async with archive() as sink:
        archived(await sink.deliver(of(server.url + "/a.mp4")))
    assert [path.name for path in spool.iterdir()] == ["young"]


async def test_a_spool_that_everybody_may_write_is_not_used(archive: Opening, tmp_path: Path) -> None:
    spool = tmp_path / "kept/.spool"
    spool.mkdir()
    spool.chmod(0o777)
    with pytest.raises(Unavailable, match="everybody may write it"):
        async with archive():
            pass


async def test_a_link_in_the_spool_is_not_followed(archive: Opening, server: MediaServer, tmp_path: Path) -> None:
    server.files["/a.mp4"] = Media(10)
    delivery = of(server.url + "/a.mp4")
    async with archive() as sink:
        [job] = sink._jobs(delivery, _Nobody())  # type: ignore[arg-type]
        other = tmp_path / "other"
        other.write_bytes(b"mine")
        (tmp_path / "kept/.spool" / job.spool_name()).symlink_to(other)
        with pytest.raises(Unavailable, match="symbolic link"):
            await sink.deliver(delivery)
    assert other.read_bytes() == b"mine"


class _Nobody:
    def memo_of(self, number: int) -> dict[str, object]:
        return {}
