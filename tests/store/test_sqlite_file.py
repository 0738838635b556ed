"""The file of a SQLite store: whose it is, who may read it, how it is kept, and what is said of one that cannot be used."""

# ruff: noqa: ASYNC220, ASYNC221, ASYNC240  because nothing else runs in these loops

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gateway.errors import SchemaMismatch, StoreInUse, StoreUnavailable
from gateway.runtime.clock import FrozenClock
from gateway.store.sqlite.session import APPLICATION_ID, SessionRole, SqliteSession, make_file
from gateway.store.store import Store
from tests.patience import PATIENCE_S
from tests.store.conftest import Opener
from tests.store.kit import LEASE, new, settlement, states, table, take


@pytest.fixture
def url(untouched: str) -> str:
    """Here the making of the tables itself is looked at."""
    return untouched


# -- SQLite files ---------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


async def test_a_second_gateway_on_one_file_is_refused_naming_pid_and_file(file: Path, open_at: Opener) -> None:
    await open_at(url=f"sqlite:///{file}")
    with pytest.raises(StoreInUse) as refused:
        await Store(f"sqlite:///{file}").open(lock_wait=0.15)
    assert f"pid {os.getpid()}" in str(refused.value)
    assert str(file) in str(refused.value)


async def test_a_second_gateway_gets_the_file_when_the_first_ends_in_time(file: Path, open_at: Opener) -> None:
    first = await open_at(url=f"sqlite:///{file}")
    second = Store(f"sqlite:///{file}")
    opening = asyncio.create_task(second.open(lock_wait=30))
    await first.ping()
    assert not opening.done()
    await first.close()
    await opening
    await second.close()


async def test_the_lock_of_a_killed_process_is_free(file: Path, open_at: Opener) -> None:
    code = f"""
        import asyncio, os, signal
        from gateway.store.store import Store
        async def main():
            await Store("sqlite:///{file}").open(lock_wait=0)
            os.kill(os.getpid(), signal.SIGKILL)
        asyncio.run(main())
    """
    assert subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False).returncode == -9
    await open_at(url=f"sqlite:///{file}")


async def test_a_lock_file_whose_holder_says_nothing_is_still_a_clear_refusal(file: Path, open_at: Opener) -> None:
    await open_at(url=f"sqlite:///{file}")
    file.with_name("gateway.db.lock").write_text("")
    with pytest.raises(StoreInUse, match="has not said its pid"):
        await Store(f"sqlite:///{file}").open(lock_wait=0)


async def test_only_the_owner_can_read_the_files_whatever_the_umask(file: Path, open_at: Opener) -> None:
    before = os.umask(0)
    try:
        store = await open_at(url=f"sqlite:///{file}")
        await take(store, new(1, "app"))
        modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("gateway.db", "gateway.db-wal", "gateway.db-shm", "gateway.db.lock"), 0o600)


async def test_at_open_every_lease_of_the_file_has_ended(file: Path, open_at: Opener, clock: FrozenClock) -> None:
    store = await open_at(url=f"sqlite:///{file}")
    await take(store, new(1, "app", lease=LEASE))
    await store.close()
    again = await open_at(url=f"sqlite:///{file}")
    (lease,) = await again.claim("app", 10, LEASE)
    assert lease.token == 2


async def test_closing_leaves_one_file_and_the_log_empty(file: Path, open_at: Opener) -> None:
    store = await open_at(url=f"sqlite:///{file}")
    await take(store, *[new(n, "app") for n in range(50)])
    await store.close()
    assert not file.with_name("gateway.db-wal").exists()


async def test_the_files_settings_are_the_durable_ones(file: Path, open_at: Opener) -> None:
    await (await open_at(url=f"sqlite:///{file}")).close()
    opened_ = SqliteSession(file, "writer")
    pragmas = "page_size auto_vacuum journal_mode synchronous foreign_keys application_id journal_size_limit"
    values = [opened_.rows(f"PRAGMA {name}")[0][0] for name in pragmas.split()]
    opened_.close()
    assert values == [8192, 2, "wal", 2, 1, APPLICATION_ID, 16 * 1024 * 1024]
    reader = SqliteSession(file, "reader")
    assert reader.rows("PRAGMA wal_autocheckpoint")[0][0] == 0
    with pytest.raises(sqlite3.OperationalError):
        reader.change("DELETE FROM events")
    reader.close()


async def test_a_file_of_another_program_is_left_alone(file: Path, open_at: Opener) -> None:
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = file.read_bytes()
    with pytest.raises(SchemaMismatch, match="another program"):
        await open_at(url=f"sqlite:///{file}")
    assert file.read_bytes() == before


async def test_a_file_that_is_no_database_is_said_to_be_none(file: Path, open_at: Opener) -> None:
    file.write_bytes(b"not a database at all, but long enough to be looked at as one" * 20)
    with pytest.raises(StoreUnavailable, match=r"gateway\.db"):
        await open_at(url=f"sqlite:///{file}")


@pytest.mark.parametrize("role", ["reader", "admin"])
def test_readers_and_the_admin_side_never_make_a_file(file: Path, role: str) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        SqliteSession(file, role)  # type: ignore[arg-type]
    assert not file.exists()


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path, open_at: Opener) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        await open_at(url=f"sqlite:///{tmp_path}/nowhere/gateway.db")


async def test_a_path_that_is_a_folder_is_an_error(tmp_path: Path, open_at: Opener) -> None:
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StoreUnavailable, match=r"folder\.db"):
        await open_at(url=f"sqlite:///{tmp_path}/folder.db")


async def test_a_relative_path_means_the_folder_at_construction(
    tmp_path: Path, open_at: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = await open_at(url="sqlite:///here.db")
    monkeypatch.chdir("/")
    await take(store, new(1))
    assert await store.due() == []
    assert (tmp_path / "here.db").exists()


def test_an_old_sqlite_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(StoreUnavailable, match="too old"):
        SqliteSession(file, "writer")


# -- after a crash --------------------------------------------------------------------------------------------------


async def test_after_kill_9_every_acknowledged_event_is_there_and_nothing_half(tmp_path: Path, open_at: Opener) -> None:
    code = f"""
        import asyncio
        from gateway.store.store import Store
        from tests.store.kit import new
        async def main():
            store = Store("sqlite:///{tmp_path}/gateway.db")
            await store.open(lock_wait=0)
            numbers = iter(range(100_000))
            async def caller():
                for n in numbers:
                    await store.accept([new(n, "app", "ops")])
                    print(n, flush=True)
            await asyncio.gather(*[caller() for _ in range(8)])
        asyncio.run(main())
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert process.stdout is not None
    acknowledged = {int(process.stdout.readline()) for _ in range(300)}
    process.kill()
    acknowledged |= {int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n")}
    process.stdout.close()
    process.wait(PATIENCE_S)
    url = f"sqlite:///{tmp_path}/gateway.db"
    store = await open_at(url=url)
    await store.ping()
    stored = {int(id_, 16) for (id_,) in table(url, "id", "events")}
    assert acknowledged <= stored
    assert len(stored - acknowledged) <= 8
    assert len(states(url)) == 2 * len(stored)
    leases = await store.claim("app", 100, LEASE)
    assert await store.settle([settlement(lease) for lease in leases]) == [True] * len(leases)


@pytest.mark.parametrize("role", ["writer", "admin"])
def test_what_writes_needs_no_room_in_tmp(tmp_path: Path, role: SessionRole) -> None:
    """A statement that may fail half way keeps what it changed, and SQLite keeps that in /tmp, which somebody else fills."""
    make_file(tmp_path / "g.db")
    SqliteSession(tmp_path / "g.db", "writer").close()
    session = SqliteSession(tmp_path / "g.db", role)
    run = session.connection.execute
    run("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT UNIQUE)")
    run("BEGIN IMMEDIATE")
    for add in (0, 1):  # the second changes pages that the first made: those go into the statement's journal
        run(
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)"
            " INSERT INTO t SELECT 2 * i + ?, printf('%0100d', 2 * i + ?) FROM n",
            (add, add),
        )
    opened = [os.readlink(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd") if _there(one)]
    session.close()
    assert [file for file in opened if "etilqs" in file] == []


def _there(descriptor: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{descriptor}")
