"""Opening a store: whose file it is, one owner, tables made once, modes, and what is said when it cannot be."""

# ruff: noqa: ASYNC220, ASYNC221, ASYNC240  because nothing else runs in these loops

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import pytest

from gateway.errors import SchemaMismatch, StoreError, StoreHeld, StoreUnavailable
from gateway.runtime.clock import FrozenClock
from gateway.store.engine import migrations
from gateway.store.engine.patience import NotYet, awaited, patiently
from gateway.store.engine.session import Session
from gateway.store.sqlite.session import APPLICATION_ID, Role, SqliteSession, make_file
from gateway.store.store import Store
from gateway.text.store_address import parse_address
from tests import threads
from tests.postgres import folder_of
from tests.store.conftest import Opener
from tests.store.kit import LEASE, act, beside, new, session, settlement, states, table, take


@pytest.fixture
def url(untouched: str) -> str:
    """Here the making of the tables itself is looked at."""
    return untouched


async def test_what_was_stored_is_there_after_closing_and_opening(opened: Opener, url: str) -> None:
    store = await opened()
    await take(store, new(1, "app"))
    await store.close()
    again = await opened()
    assert (await take(again, new(1, "app")))[0].new is False
    assert len(await again.claim("app", 10, LEASE)) == 1


async def test_a_closed_or_unopened_store_says_so(opened: Opener, url: str, clock: FrozenClock) -> None:
    unopened = Store(url, clock=clock)
    with pytest.raises(StoreUnavailable, match="not open"):
        unopened.accept([new(1)])
    with pytest.raises(StoreUnavailable, match="not open"):
        unopened.due()
    await unopened.close()
    store = await opened()
    await store.close()
    with pytest.raises(StoreUnavailable, match="clos"):
        store.accept([new(1)])
    with pytest.raises(StoreUnavailable, match="clos"):
        store.settle([])
    with pytest.raises(StoreUnavailable, match=r"closed|not open"):
        await store.sweep()
    await store.close()


async def test_what_was_queued_before_closing_is_committed(opened: Opener, url: str) -> None:
    store = await opened()
    futures = [store.accept([new(n, "app")]) for n in range(100)]
    await store.close()
    assert all(answer[0].new for answer in await asyncio.gather(*futures))
    assert len(states(url)) == 100


def make(url: str, clock: FrozenClock) -> Session:
    address = parse_address(url)
    if address.backend == "sqlite":
        make_file(address.path)
        return SqliteSession(address.path, "writer", clock)
    return session(url, clock)


def test_ten_starters_that_migrate_at_once_make_the_tables_once(url: str, clock: FrozenClock) -> None:
    made: list[tuple[int, int] | BaseException] = []
    barrier = threading.Barrier(10, timeout=20)

    def start() -> None:
        opened = make(url, clock)
        try:
            barrier.wait()
            made.append(migrations.migrate(opened, "x"))
        except BaseException as error:
            made.append(error)
        finally:
            opened.close()

    threads.end([threads.start(start) for _ in range(10)])
    assert sorted(made, key=str) == [(0, 1)] + [(1, 1)] * 9
    assert table(url, "value", "meta WHERE name = 'schema'") == [("1",)]


def test_opening_waits_for_whoever_is_making_the_same_file_at_that_moment(clock: FrozenClock) -> None:
    """The change to WAL does not honour the busy time-out, and a look between two of the maker's steps sees neither."""
    failed: list[BaseException] = []

    def use(path: Path, barrier: threading.Barrier, role: Role) -> None:
        try:
            barrier.wait()
            opened = SqliteSession(path, role, clock)
            try:
                if role == "writer":
                    migrations.migrate(opened, "x")
            finally:
                opened.close()
        except BaseException as error:
            failed.append(error)

    roles: list[Role] = ["writer"] * 6 + ["admin", "reader"] * 2
    with tempfile.TemporaryDirectory(dir=folder_of("").parent) as folder:  # in memory, where chance has many rounds
        for number in range(60):
            make_file(path := Path(folder) / f"{number}.db")
            barrier = threading.Barrier(len(roles), timeout=20)
            threads.end([threads.start(use, path, barrier, role) for role in roles])
    assert failed == []


async def test_what_stands_in_the_way_for_a_moment_does_not_stop_a_gateway_that_starts(
    url: str, opened: Opener, clock: FrozenClock
) -> None:
    await (await opened()).close()
    address = parse_address(url)
    with beside(url) as other:
        if address.backend == "sqlite":
            other.rows("PRAGMA busy_timeout=100")
        with other.atomic():
            other.change("INSERT INTO meta (name, value) VALUES ('busy', '1')")
            lock = "LOCK TABLE meta, deliveries" if address.backend == "postgresql" else "SELECT 1"
            other.rows(lock)
            starting = asyncio.ensure_future(opened())
            await asyncio.sleep(0.3)
            assert not starting.done()
        assert (await starting).healthy()


async def test_what_does_not_pass_is_said_within_the_bound(url: str, clock: FrozenClock) -> None:
    asked: list[int] = []

    async def locked() -> None:
        asked.append(1)
        raise NotYet("locked")

    with pytest.raises(NotYet, match="locked"):
        await awaited(locked, 0.1)
    assert len(asked) > 1
    with pytest.raises(StoreUnavailable, match="wrong password"):
        patiently(lambda: _fail(StoreUnavailable("wrong password")))


def _fail(error: Exception) -> None:
    raise error


async def test_tables_newer_than_the_program_are_left_alone(opened: Opener, url: str, clock: FrozenClock) -> None:
    await (await opened()).close()
    act(url, clock, "UPDATE meta SET value = '99' WHERE name = 'schema'")
    with pytest.raises(SchemaMismatch, match="version 99, newer than this program's 1"):
        await opened()
    with beside(url) as opened_, pytest.raises(SchemaMismatch, match="newer"):
        migrations.require(opened_, "x")


def test_tables_that_are_missing_are_named_with_what_to_do(url: str, clock: FrozenClock) -> None:
    opened = make(url, clock)
    try:
        with pytest.raises(SchemaMismatch, match=r"has no tables yet.*gateway store migrate"):
            migrations.require(opened, "x")
        migrations.migrate(opened, "x")
        migrations.require(opened, "x")
        opened.change("UPDATE meta SET value = '0' WHERE name = 'schema'")
        with pytest.raises(SchemaMismatch, match="has no tables"):
            migrations.require(opened, "x")
    finally:
        opened.close()


def test_a_step_that_fails_leaves_nothing_behind(url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (*migrations.STEPS[0], "CREATE TABLE meta (x TEXT)")
    monkeypatch.setattr(migrations, "STEPS", (broken,))
    opened = make(url, clock)
    try:
        with pytest.raises(Exception, match="already exists"):
            migrations.migrate(opened, "x")
        assert migrations.schema_version(opened) == 0
    finally:
        opened.close()


# -- SQLite files ---------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


async def test_a_second_gateway_on_one_file_is_refused_naming_pid_and_file(file: Path, open_at: Opener) -> None:
    await open_at(url=f"sqlite:///{file}")
    with pytest.raises(StoreHeld) as refused:
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
    with pytest.raises(StoreHeld, match="has not said its pid"):
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
def test_readers_and_the_desk_never_make_a_file(file: Path, role: str) -> None:
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
    process.wait(10)
    url = f"sqlite:///{tmp_path}/gateway.db"
    store = await open_at(url=url)
    await store.ping()
    stored = {int(id_, 16) for (id_,) in table(url, "id", "events")}
    assert acknowledged <= stored
    assert len(stored - acknowledged) <= 8
    assert len(states(url)) == 2 * len(stored)
    leases = await store.claim("app", 100, LEASE)
    assert await store.settle([settlement(lease) for lease in leases]) == [True] * len(leases)


async def test_every_error_of_opening_is_a_store_error(open_at: Opener) -> None:
    with pytest.raises(StoreError):
        await open_at(url="postgresql://nobody@127.0.0.1:1/none")


async def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path: Path, open_at: Opener) -> None:
    with pytest.raises(StoreUnavailable, match=r"the folder .*nowhere is not there: make it"):
        await open_at(url=f"sqlite:///{tmp_path}/nowhere/gateway.db")
