"""What the desk says where there is no store it can use, and that it leaves the gateway's file alone."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.errors import ItemRefused, SchemaMismatch, StoreUnavailable
from gateway.runtime.clock import FrozenClock
from gateway.store.address import parse_address
from gateway.store.admin import connections
from gateway.store.admin.admin import Desk
from gateway.store.admin.connections import Connections
from gateway.store.engine.session import Session
from gateway.store.sqlite.session import make_file
from gateway.store.store import Store
from tests.store.kit import act, beside, new, table, take


def test_a_missing_file_is_said_to_be_missing_and_is_not_made(tmp_path: Path) -> None:
    with Desk(f"sqlite:///{tmp_path}/no.db") as desk:
        for ask in (desk.events, desk.status, desk.sinks):
            with pytest.raises(StoreUnavailable, match=r"there is no store at .*no\.db: `gateway serve` makes it"):
                ask()
        with pytest.raises(StoreUnavailable):
            desk.pause("app")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is making the store: it is not worth the wait."""
    monkeypatch.setattr(connections, "OPENING_S", 0.05)


async def test_a_command_that_comes_while_serve_makes_the_store_waits_for_the_tables(url: str) -> None:
    address = parse_address(url)
    if address.backend == "sqlite":
        make_file(address.path)
    store = Store(url)
    with Desk(url) as desk:
        asking = asyncio.ensure_future(asyncio.to_thread(desk.status))
        await asyncio.sleep(0.2)
        assert not asking.done()
        await store.open(lock_wait=0)
        await asking
        assert desk.events() == []
    await store.close()


def test_a_server_that_does_not_answer_is_said_not_to(tmp_path: Path) -> None:
    desk = Desk("postgresql://me:canary@127.0.0.1:1/db")
    with pytest.raises(StoreUnavailable, match="cannot be reached") as failed:
        desk.events()
    assert "canary" not in str(failed.value)


def test_a_url_that_cannot_be_read_is_an_error_of_the_store() -> None:
    with pytest.raises(StoreUnavailable, match="a store is sqlite:///file"):
        Desk("mysql://x")


@pytest.mark.usefixtures("impatient")
def test_a_store_without_tables_names_the_command_that_makes_them(url: str, desks: Callable[..., Desk]) -> None:
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).touch()
    desk = desks()
    with pytest.raises(SchemaMismatch, match="gateway store migrate"):
        desk.events()
    with pytest.raises(SchemaMismatch, match="gateway store migrate"):
        desk.pause("app")


def test_migrate_makes_the_tables_once_and_for_the_owner_alone(url: str, desks: Callable[..., Desk]) -> None:
    desk = desks()
    before, after = desk.migrate()
    assert (before, after) == (0, after)
    assert desk.migrate() == (after, after)
    assert desk.events() == []
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        assert path.stat().st_mode & 0o777 == 0o600
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA page_size").fetchone() == (8192,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        connection.close()


async def test_tables_of_a_newer_program_are_left_alone(
    store: Store, desks: Callable[..., Desk], url: str, clock: FrozenClock
) -> None:
    act(url, clock, "UPDATE meta SET value = '99' WHERE name = 'schema'")
    desk = desks()
    for ask in (desk.events, desk.status, desk.migrate, lambda: desk.pause("app")):
        with pytest.raises(SchemaMismatch, match="version 99, newer than this program's"):
            ask()


@pytest.mark.usefixtures("impatient")
async def test_tables_of_an_older_program_want_a_migration(
    store: Store, desks: Callable[..., Desk], url: str, clock: FrozenClock
) -> None:
    act(url, clock, "UPDATE meta SET value = '0' WHERE name = 'schema'")
    with pytest.raises(SchemaMismatch, match="run `gateway store migrate`"):
        desks().events()


def test_another_programs_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    before = path.read_bytes()
    with Desk(f"sqlite:///{path}") as desk, pytest.raises(SchemaMismatch, match="another program"):
        desk.events()
    with Desk(f"sqlite:///{path}") as desk, pytest.raises(SchemaMismatch, match="another program"):
        desk.migrate()
    assert path.read_bytes() == before


async def test_the_desk_takes_no_lock_and_never_checkpoints(tmp_path: Path, clock: FrozenClock) -> None:
    path = tmp_path / "gateway.db"
    store = Store(f"sqlite:///{path}", clock=clock)
    await store.open(lock_wait=0)
    await take(store, *[new(n, "app") for n in range(1, 20)])
    main = path.read_bytes()
    size = path.with_name("gateway.db-wal").stat().st_size
    with Desk(f"sqlite:///{path}", clock=clock) as desk:
        for row in desk.deliveries():
            desk.cancel(row.id)
        desk.status()
    assert path.read_bytes() == main
    assert path.with_name("gateway.db-wal").stat().st_size > size
    await store.close()


def test_nothing_is_written_through_the_reading_connection_of_sqlite(tmp_path: Path) -> None:
    with Desk(f"sqlite:///{tmp_path}/g.db") as desk:
        desk.migrate()
        with pytest.raises(StoreUnavailable, match="readonly"):
            desk._connections.read(lambda session: session.change("DELETE FROM events"))


async def test_what_a_database_refuses_for_ever_is_said_to_be_refused_and_changes_nothing(
    store: Store, desk: Desk, url: str
) -> None:
    await take(store, new(1, "app"))

    def work(session: Session) -> None:
        session.change("DELETE FROM deliveries")
        session.change("INSERT INTO meta (name, value) VALUES ('schema', 'x')")

    with pytest.raises(ItemRefused, match="cannot be changed"):
        desk._connections.change(work)
    assert table(url, "count(*)", "deliveries") == [(1,)]


async def test_a_fault_of_ours_is_not_dressed_up(store: Store, desk: Desk) -> None:
    with pytest.raises(ZeroDivisionError):
        desk._connections.read(lambda _session: 1 / 0)


def test_the_desk_goes_on_after_its_connections_were_lost(postgres_url: str) -> None:
    desk = Desk(postgres_url)
    desk.migrate()
    assert desk.events() == []
    desk.pause("app")
    kill = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid()"""
    with beside(postgres_url) as opened:
        opened.rows(kill)
    with pytest.raises(StoreUnavailable):
        desk.events()
    assert desk.events() == []
    assert desk.resume("app")
    desk.close()


def test_a_deadlock_is_run_again_and_not_for_ever(postgres_url: str) -> None:
    desk = Desk(postgres_url)
    desk.migrate()
    runs: list[int] = []

    def work(session: Session) -> str:
        runs.append(1)
        if len(runs) < 3:
            session.rows("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")
        return "done"

    assert desk._connections.change(work) == "done"
    assert len(runs) == 3
    runs.clear()

    def never(session: Session) -> None:
        runs.append(1)
        session.rows("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")

    with pytest.raises(StoreUnavailable):
        desk._connections.change(never)
    assert len(runs) == 3
    desk.close()


async def test_the_servers_clock_is_asked_when_nobody_gives_one(store: Store, url: str) -> None:
    await take(store, new(1, "app"))
    with Desk(url) as desk:
        (row,) = desk.deliveries()
        desk.retry(row.id)
        (row,) = desk.deliveries()
    assert row.next_attempt_at is not None
    assert row.next_attempt_at > 1_767_225_600_000 + 1000


def test_reading_a_sqlite_store_imports_no_postgresql(tmp_path: Path) -> None:
    program = f"""
        import sys
        from gateway.store.admin.admin import Desk
        with Desk("sqlite:///{tmp_path}/g.db") as desk:
            desk.migrate()
            desk.status()
        print([name for name in sys.modules if name.startswith("psycopg")])
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert run.stdout.strip() == "[]"


def test_connections_are_closed_twice_without_harm(tmp_path: Path) -> None:
    from gateway.store.address import parse_address

    connections = Connections(parse_address(f"sqlite:///{tmp_path}/g.db"), None)
    connections.close()
    connections.close()


def test_between_two_changes_the_desk_gives_way_to_the_gateway(tmp_path: Path) -> None:
    pauses: list[float] = []
    with Desk(f"sqlite:///{tmp_path}/g.db") as desk:
        desk.migrate()
        desk._connections._sleep = pauses.append
        for _ in range(20):
            desk.pause("app")
            desk.resume("app")
    assert len(pauses) > 10
    assert all(0 < pause <= 0.25 for pause in pauses)
