"""SQLite's log is moved into the file behind the answers of a commit, in pieces of a known size, and best while nobody waits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.store.engine.writer import Writer
from gateway.store.sqlite.batch import SqliteBulk
from gateway.store.sqlite.checkpoints import COMMITS_MIN, LARGE_PAGES_MAX, OWN_PAGES_MAX, PAGES, PAGES_MAX, Checkpoints
from gateway.store.sqlite.disk_room import has_room
from gateway.store.sqlite.session import SqliteSession
from gateway.store.store import Store
from tests.store.conftest import Opener
from tests.store.faults import on_writer
from tests.store.kit import LEASE, event, new, settlement, take

BODY = b"x" * 2_000
of_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


def callbacks(first: int, count: int) -> list[Any]:
    return [new(event(n, raw=BODY), "app", lease=LEASE) for n in range(first, first + count)]


async def unflushed(store: Store) -> None:
    """These tests count pages, and need not wait for the disk."""

    def turn_off(session: Any) -> None:
        session.connection.execute("COMMIT")  # because no transaction may be under way
        session.change("PRAGMA synchronous=OFF")
        session.connection.execute("BEGIN IMMEDIATE")

    await on_writer(store, turn_off)


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Pages of the log at each move, and how many of them were moved."""
    seen: list[tuple[int, int]] = []
    rows = SqliteSession.rows

    def look(session: SqliteSession, sql: str, *values: Any) -> Any:
        found = rows(session, sql, *values)
        if "wal_checkpoint(PASSIVE)" in sql:
            seen.extend((pages, moved) for _, pages, moved in found)
        return found

    monkeypatch.setattr(SqliteSession, "rows", look)
    return seen


@of_sqlite
async def test_whoever_waits_for_a_commit_does_not_wait_for_the_log(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: list[tuple[int, int]]
) -> None:
    store = await opened()
    await unflushed(store)
    written: list[int] = []

    def changed_at() -> int:
        return (tmp_path / "gateway.db").stat().st_mtime_ns

    commit = Writer._group_commit

    def watched(writer: Writer, unit: Any) -> Any:
        before = changed_at()
        answers = commit(writer, unit)
        written.append(changed_at() - before)
        return answers

    monkeypatch.setattr(Writer, "_group_commit", watched)
    os.utime(tmp_path / "gateway.db", ns=(1, 1))
    for first in range(0, 1600, 32):
        await asyncio.gather(*(store.accept([one]) for one in callbacks(first, 32)))
    await store.ping()
    assert len(moves) >= 2
    assert changed_at() > 1, "the log was moved"
    assert not any(written), "but in no commit"


@of_sqlite
@pytest.mark.parametrize("together", [1, 4, 32])
async def test_however_many_come_together_the_log_is_moved_in_pieces_of_about_one_size(
    opened: Opener, moves: list[tuple[int, int]], together: int
) -> None:
    store = await opened()
    await unflushed(store)
    for first in range(0, 500 + 40 * together, together):
        answers = await asyncio.gather(*(store.accept([one]) for one in callbacks(first, together)))
        leases = [lease for (one,) in answers for lease in one.leases]
        await store.settle([settlement(lease) for lease in leases])
    pages = [pages for pages, _ in moves]
    assert len(pages) >= 3
    assert all(moved == pages for pages, moved in moves)
    assert all(PAGES / 2 <= one <= PAGES_MAX for one in pages[1:]), pages


@of_sqlite
async def test_sqlite_itself_moves_it_only_for_what_is_very_large(opened: Opener) -> None:
    store = await opened()
    ((bound,),) = await on_writer(store, lambda session: session.rows("PRAGMA wal_autocheckpoint"))
    assert bound == OWN_PAGES_MAX


def fill(session: SqliteBulk, pages: int) -> None:
    """As many pages of the log, by one commit."""
    session.connection.execute("CREATE TABLE IF NOT EXISTS filling (payload BLOB)")
    session.connection.execute("INSERT INTO filling VALUES (zeroblob(?))", (pages * 8_100,))


def begun(lite: SqliteBulk) -> Checkpoints:
    checkpoints = Checkpoints()
    checkpoints.use_connection(lite)
    return checkpoints


def rows_of(lite: SqliteBulk, count: int) -> None:
    with lite.atomic():
        lite.connection.executemany("INSERT INTO meta VALUES (?, '')", [(os.urandom(8).hex(),) for _ in range(count)])


def test_while_accepts_wait_it_is_put_off_until_it_is_long(lite: SqliteBulk, moves: list[tuple[int, int]]) -> None:
    checkpoints = begun(lite)
    asked: list[bool] = []

    def waiting() -> bool:
        asked.append(True)
        return True

    rows_of(lite, PAGES - 100)
    checkpoints.after_commit(lite, waiting)
    assert (asked, moves) == ([], []), "nobody is asked while it is short"
    rows_of(lite, 200)
    checkpoints.after_commit(lite, waiting)
    assert (asked, moves) == ([True], [])
    rows_of(lite, PAGES_MAX - PAGES)
    for _ in range(3, COMMITS_MIN):
        checkpoints.after_commit(lite, waiting)
        assert moves == [], "large commits do not flush the file each time"
    checkpoints.after_commit(lite, waiting)
    assert len(moves) == 1


def test_a_log_that_is_very_long_is_moved_after_however_few_commits(
    lite: SqliteBulk, moves: list[tuple[int, int]]
) -> None:
    checkpoints = begun(lite)
    rows_of(lite, PAGES_MAX)
    checkpoints.after_commit(lite, lambda: True)
    assert moves == []
    rows_of(lite, LARGE_PAGES_MAX)
    checkpoints.after_commit(lite, lambda: True)
    assert len(moves) == 1


def test_once_nobody_waits_it_is_moved(lite: SqliteBulk, moves: list[tuple[int, int]]) -> None:
    checkpoints = begun(lite)
    rows_of(lite, PAGES)
    checkpoints.after_commit(lite, lambda: False)
    assert len(moves) == 1
    checkpoints.after_commit(lite, lambda: False)
    assert len(moves) == 1


def test_a_reader_that_keeps_the_log_is_no_reason_to_reckon_otherwise(
    lite: SqliteBulk, moves: list[tuple[int, int]]
) -> None:
    checkpoints = begun(lite)
    reader = SqliteSession(lite.path, "reader")
    reader.connection.execute("BEGIN")
    reader.rows("SELECT count(*) FROM meta")
    fill(lite, 3 * PAGES_MAX)
    rows_of(lite, PAGES)
    checkpoints.after_commit(lite, lambda: False)
    ((pages, moved),) = moves
    assert moved < pages
    assert checkpoints._share == 1.0
    reader.close()
    rows_of(lite, PAGES)
    checkpoints.after_commit(lite, lambda: False)
    assert moves[-1][0] == moves[-1][1] > 3 * PAGES_MAX


def test_a_log_for_which_the_file_has_no_room_is_moved_once_there_is(
    lite: SqliteBulk, moves: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = begun(lite)
    fill(lite, 200)
    rows_of(lite, PAGES)
    size = lite.path.stat().st_size
    disk = os.statvfs(lite.path)
    blocks = 100 * 8192 // disk.f_frsize  # half of what the log adds
    with monkeypatch.context() as patched:
        patched.setattr(os, "statvfs", lambda _: os.statvfs_result((*disk[:4], blocks, *disk[5:])))
        checkpoints.after_commit(lite, lambda: False)
    assert (moves, lite.path.stat().st_size) == ([], size), "a move that cannot end takes the room of commits"
    rows_of(lite, PAGES)
    checkpoints.after_commit(lite, lambda: False)
    ((pages, moved),) = moves
    assert moved == pages > 200
    assert checkpoints._share == 1.0, "what was left from before says nothing of how much a row writes"
    rows_of(lite, PAGES)
    checkpoints.after_commit(lite, lambda: False)
    assert checkpoints._share < 1.0


@pytest.mark.parametrize("blocks", [0, 1])
def test_a_file_system_that_says_nothing_of_its_room_has_some(
    lite: SqliteBulk, monkeypatch: pytest.MonkeyPatch, blocks: int
) -> None:
    fill(lite, 10)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((4096, 4096, blocks, 0, 0, 0, 0, 0, 0, 255)))
    assert has_room(lite) == (blocks == 0)


def test_a_log_that_cannot_be_moved_hurts_nobody(lite: SqliteBulk, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = begun(lite)

    def refuse(_session: SqliteSession, _sql: str, *_values: object) -> Sequence[Any]:
        raise OSError("disk full")

    rows_of(lite, PAGES)
    with monkeypatch.context() as patched:
        patched.setattr(SqliteSession, "rows", refuse)
        checkpoints.after_commit(lite, lambda: False)
    rows_of(lite, PAGES)
    checkpoints.after_commit(lite, lambda: False)


@of_sqlite
async def test_a_connection_that_is_made_anew_is_counted_from_its_beginning(
    opened: Opener, moves: list[tuple[int, int]]
) -> None:
    store = await opened()
    await take(store, *callbacks(0, 3))

    def cut(session: Any) -> None:
        store._writer._link.drop()

    await store._writer.put_background(cut, apart=True)
    await take(store, *callbacks(3, 3))
    checkpoints: Any = store._backend._checkpoints  # type: ignore[attr-defined]

    def reckoned(session: Any) -> int:
        return int(checkpoints._reckoned(session))

    assert await store._writer.enqueue(reckoned) < 30
