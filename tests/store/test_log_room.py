"""SQLite's log has room before it is needed, and nobody's commit is ever written over for that."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.store.sqlite.log_room import COMMITS_APART, ROOM_BYTES_MAX, STEP_BYTES, LogRoom
from gateway.store.sqlite.session import SqliteSession

PAYLOAD_BYTES = 200_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "room.db"
    path.touch()
    return path


def _opened(file: Path) -> SqliteSession:
    session = SqliteSession(file, "writer")
    session.change("CREATE TABLE IF NOT EXISTS things (n INTEGER PRIMARY KEY, payload BLOB)")
    return session


def _log(file: Path) -> Path:
    return file.with_name(f"{file.name}-wal")


def _add(connection: sqlite3.Connection, count: int) -> None:
    for _ in range(count):
        connection.execute("INSERT INTO things (payload) VALUES (randomblob(?))", (PAYLOAD_BYTES,))


def _count(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        ((count,),) = connection.execute("SELECT count(*) FROM things").fetchall()
    return int(count)


def test_a_small_log_is_left_alone_and_a_growing_one_has_room_within_its_bound(file: Path) -> None:
    session, room = _opened(file), LogRoom(file)
    session.connection.execute("PRAGMA wal_autocheckpoint=0")
    _add(session.connection, 1)
    room.make(session)
    assert _log(file).stat().st_size < STEP_BYTES
    grown, sizes = 0, []
    for _ in range(50):
        before = _log(file).stat().st_size
        _add(session.connection, 1)
        grown += _log(file).stat().st_size > before
        room.make(session)
        sizes.append(_log(file).stat().st_size)
    assert ROOM_BYTES_MAX in sizes
    assert sum(size < ROOM_BYTES_MAX for size in sizes) > grown // 2, "most commits found room"
    session.close()
    assert _count(file) == 51


def test_a_log_that_somebody_emptied_has_room_again(file: Path) -> None:
    session, room = _opened(file), LogRoom(file)
    session.connection.execute("PRAGMA wal_autocheckpoint=0")
    while _log(file).stat().st_size < ROOM_BYTES_MAX:
        _add(session.connection, 1)
        room.make(session)
    room.make(session)
    session.checkpoint()
    assert not _log(file).stat().st_size
    for _ in range(COMMITS_APART):
        room.make(session)
    _add(session.connection, 6)
    room.make(session)  # finds that it was emptied
    _add(session.connection, 1)
    written = _log(file).stat().st_size
    room.make(session)
    assert written >= STEP_BYTES
    assert _log(file).stat().st_size >= written + STEP_BYTES
    session.close()


def test_what_a_crash_leaves_is_read_to_its_last_commit(file: Path, tmp_path: Path) -> None:
    session, room = _opened(file), LogRoom(file)
    session.connection.execute("PRAGMA wal_autocheckpoint=0")
    _add(session.connection, 6)
    room.make(session)
    assert _log(file).stat().st_size >= 2 * STEP_BYTES
    _add(session.connection, 1)
    for path in (file, _log(file)):  # as a process leaves them that is killed
        shutil.copy(path, tmp_path / path.name.replace("room", "copy"))
    session.close()
    assert _count(tmp_path / "copy.db") == 7


def test_what_another_process_commits_meanwhile_stays(file: Path) -> None:
    session, room = _opened(file), LogRoom(file)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("PRAGMA wal_autocheckpoint=0")
    session.connection.execute("PRAGMA wal_autocheckpoint=0")
    for _ in range(8):
        _add(session.connection, 1)
        _add(other, 1)
        room.make(session)
        _add(other, 1)
    other.close()
    session.close()
    assert _count(file) == 24


def test_while_somebody_else_writes_no_room_is_made(file: Path) -> None:
    session, room = _opened(file), LogRoom(file)
    session.connection.execute("PRAGMA busy_timeout=0")
    _add(session.connection, 6)
    size = _log(file).stat().st_size
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    room.make(session)
    assert _log(file).stat().st_size == size
    other.execute("ROLLBACK")
    room.make(session)
    assert _log(file).stat().st_size > size
    other.close()
    session.close()


def test_a_log_that_was_emptied_gets_room_again(file: Path) -> None:
    session, room = _opened(file), LogRoom(file)
    for _ in range(2):
        _add(session.connection, 6)
        used = _log(file).stat().st_size
        room.make(session)
        assert _log(file).stat().st_size > used
        session.checkpoint()
        assert _log(file).stat().st_size == 0
        room.make(session)
        assert _log(file).stat().st_size == 0
    session.close()
    assert _count(file) == 12


def test_a_log_that_is_gone_is_no_reason_to_fail(file: Path) -> None:
    session, room = _opened(file), LogRoom(file)
    _log(file).unlink()
    room.make(session)
    session.close()


@pytest.mark.parametrize("steps_free", [1, 2])
def test_the_last_room_of_a_disk_is_not_taken_ahead_of_need(
    file: Path, monkeypatch: pytest.MonkeyPatch, steps_free: int
) -> None:
    session, room = _opened(file), LogRoom(file)
    _add(session.connection, 6)
    size = _log(file).stat().st_size
    disk = os.statvfs(file)
    blocks = steps_free * (STEP_BYTES + size) // disk.f_frsize
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((*disk[:4], blocks, *disk[5:])))
    room.make(session)
    assert (_log(file).stat().st_size > size) == (steps_free == 2)
    monkeypatch.undo()
    for _ in range(COMMITS_APART + 1):
        room.make(session)
    assert _log(file).stat().st_size > size
    session.close()


def test_room_that_could_not_be_made_whole_is_given_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session, room = _opened(file), LogRoom(file)
    _add(session.connection, 6)
    size = _log(file).stat().st_size
    write = os.pwrite

    def full(handle: int, data: bytes, at: int) -> int:
        if at > size:
            raise OSError(errno.ENOSPC, "full")
        return write(handle, data[: STEP_BYTES // 3], at)

    monkeypatch.setattr(os, "pwrite", full)
    room.make(session)
    assert _log(file).stat().st_size == size
    monkeypatch.undo()
    room.make(session)
    assert _log(file).stat().st_size > size
    session.close()
    assert _count(file) == 6
