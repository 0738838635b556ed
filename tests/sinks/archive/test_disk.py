"""Disks: one that hangs stops nobody else, one that is full or gone opens the circuit, and nothing is left lying for ever."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway import DeliveryFailed, Retry, Unavailable
from plugins.sinks.archive.spool import KEPT_SECONDS, Spool
from plugins.sinks.storage.disk import Disk
from plugins.sinks.storage.local_folder import Folder
from tests.patience import PATIENCE_S
from tests.sinks.archive.conftest import Opening, archived, of
from tests.sinks.archive.media_server import Media, MediaServer
from tests.sinks.disks import mounted, read_only


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


async def test_what_is_finished_while_the_spool_is_looked_at_hinders_nobody(
    archive: Opening, server: MediaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, look = tmp_path / "kept/.spool", os.scandir
    spool.mkdir()

    def looking(folder: Path) -> Iterator[os.DirEntry[str]]:
        (spool / "short-lived").write_bytes(b"x")
        entries = list(look(folder))
        (spool / "short-lived").unlink()
        return iter(entries)

    server.files["/a.mp4"] = Media(10)
    with monkeypatch.context() as patched:
        patched.setattr("plugins.sinks.archive.spool.os.scandir", looking)
        disk = Disk("d", 1)
        limited = Spool(spool, 1000, disk)
        await limited.tidy()
        assert [await limited.promise(name, 600) for name in ("one", "other")] == [True, False]
        await disk.close()


async def test_a_disk_without_locks_is_written_all_the_same(
    archive: Opening, server: MediaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("plugins.sinks.archive.spool.fcntl.flock", no_locks)
    media = server.files["/a.mp4"] = Media(10)
    async with archive() as sink:
        [file] = archived(await sink.deliver(of(server.url + "/a.mp4"))).files
    assert file.sha256 == media.sha256


async def test_a_folder_of_the_archive_that_is_another_disk_is_written_whole_or_not_at_all(
    archive: Opening, server: MediaServer, tmp_path: Path
) -> None:
    media = server.files["/a.mp4"] = Media(100_000)
    with mounted(tmp_path / "kept/main") as other:
        for folder in (other, tmp_path / "kept"):
            (folder / "bad.mp4").mkdir()
        async with archive() as sink:
            archived(await sink.deliver(of(server.url + "/a.mp4")))
            assert (other / "job.mp4").read_bytes() == b"".join(media.pieces())
            assert list((tmp_path / "kept/.spool").iterdir()) == []
        storage = Folder(tmp_path / "kept")
        for key in ("main/bad.mp4", "bad.mp4"):
            with pytest.raises(Retry, match="is a directory"):
                await storage.put(key, b"x")
        await storage.close()
        assert sorted(path.name for path in other.iterdir()) == ["bad.mp4", "job.mp4"]
    assert list((tmp_path / "kept/.spool").iterdir()) == []


async def test_a_disk_that_became_read_only_opens_the_circuit(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "kept")
    with read_only(tmp_path / "kept"):
        for body in (b"x", _pieces()):
            with pytest.raises(Unavailable, match=r"kept: (permission denied|read-only file system)"):
                await folder.put("a/b", body)
    await folder.close()


async def _pieces() -> AsyncIterator[bytes]:
    yield b"x"


def test_a_program_that_ends_while_its_disk_hangs_says_nothing_of_it() -> None:
    stuck, trouble = threading.Event(), list[object]()

    async def program() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, problem: trouble.append(problem))
        disk, begun = Disk("d", 1), threading.Event()
        hanging = asyncio.ensure_future(disk.work(lambda: (begun.set(), stuck.wait(PATIENCE_S)), "d"))
        while not begun.is_set():
            await asyncio.sleep(0)
        assert not hanging.done()

    asyncio.run(program())
    stuck.set()
    assert trouble == []


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
