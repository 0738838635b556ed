"""What StoreAdmin says where there is no store it can use, and that it leaves the gateway's file alone."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.errors import ItemRefused, SchemaMismatch, StoreUnavailable
from gateway.runtime.clock import FrozenClock
from gateway.store.admin import connections
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.connections import StoreConnections
from gateway.store.engine import reruns
from gateway.store.engine.session import Session
from gateway.store.sqlite.session import make_file
from gateway.store.store import Store
from gateway.text.store_address import parse_address
from tests.store.kit import act, beside, new, table, take


def test_a_missing_file_is_said_to_be_missing_and_is_not_made(tmp_path: Path) -> None:
    with StoreAdmin(f"sqlite:///{tmp_path}/no.db") as admin:
        for ask in (admin.events, admin.status, admin.sinks):
            with pytest.raises(StoreUnavailable, match=r"there is no store at .*no\.db: `gateway serve` makes it"):
                ask()
        with pytest.raises(StoreUnavailable):
            admin.pause("app")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def url(untouched: str) -> str:
    """Here the first start itself is looked at."""
    return untouched


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is making the store: it is not worth the wait."""
    monkeypatch.setattr(connections, "OPENING_SECONDS", 0.05)


async def test_a_command_that_comes_while_serve_makes_the_store_waits_for_the_tables(url: str) -> None:
    address = parse_address(url)
    if address.backend == "sqlite":
        make_file(address.path)
    store = Store(url)
    with StoreAdmin(url) as admin:
        asking = asyncio.ensure_future(asyncio.to_thread(admin.status))
        await asyncio.sleep(0.2)
        assert not asking.done()
        await store.open(lock_wait=0)
        await asking
        assert admin.events() == []
    await store.close()


def test_a_server_that_does_not_answer_is_said_not_to(tmp_path: Path) -> None:
    admin = StoreAdmin("postgresql://me:canary@127.0.0.1:1/db")
    with pytest.raises(StoreUnavailable, match="cannot be reached") as failed:
        admin.events()
    assert "canary" not in str(failed.value)


def test_a_url_that_cannot_be_read_is_an_error_of_the_store() -> None:
    with pytest.raises(StoreUnavailable, match="a store is sqlite:///file"):
        StoreAdmin("mysql://x")


@pytest.mark.usefixtures("impatient")
def test_a_store_without_tables_names_the_command_that_makes_them(url: str, admins: Callable[..., StoreAdmin]) -> None:
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).touch()
    admin = admins()
    with pytest.raises(SchemaMismatch, match="gateway store migrate"):
        admin.events()
    with pytest.raises(SchemaMismatch, match="gateway store migrate"):
        admin.pause("app")


def test_migrate_makes_the_tables_once_and_for_the_owner_alone(url: str, admins: Callable[..., StoreAdmin]) -> None:
    admin = admins()
    before, after = admin.migrate()
    assert (before, after) == (0, after)
    assert admin.migrate() == (after, after)
    assert admin.events() == []
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        assert path.stat().st_mode & 0o777 == 0o600
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA page_size").fetchone() == (8192,)
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_tables_of_a_newer_program_are_left_alone(
    store: Store, admins: Callable[..., StoreAdmin], url: str, clock: FrozenClock
) -> None:
    act(url, clock, "UPDATE meta SET value = '99' WHERE name = 'schema'")
    admin = admins()
    for ask in (admin.events, admin.status, admin.migrate, lambda: admin.pause("app")):
        with pytest.raises(SchemaMismatch, match="version 99, newer than this program's"):
            ask()


@pytest.mark.usefixtures("impatient")
async def test_tables_of_an_older_program_want_a_migration(
    store: Store, admins: Callable[..., StoreAdmin], url: str, clock: FrozenClock
) -> None:
    act(url, clock, "UPDATE meta SET value = '0' WHERE name = 'schema'")
    with pytest.raises(SchemaMismatch, match="run `gateway store migrate`"):
        admins().events()


def test_another_programs_file_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    before = path.read_bytes()
    with StoreAdmin(f"sqlite:///{path}") as admin, pytest.raises(SchemaMismatch, match="another program"):
        admin.events()
    with StoreAdmin(f"sqlite:///{path}") as admin, pytest.raises(SchemaMismatch, match="another program"):
        admin.migrate()
    assert path.read_bytes() == before


async def test_the_admin_side_takes_no_lock_and_never_checkpoints(tmp_path: Path, clock: FrozenClock) -> None:
    path = tmp_path / "gateway.db"
    store = Store(f"sqlite:///{path}", clock=clock)
    await store.open(lock_wait=0)
    await take(store, *[new(n, "app") for n in range(1, 20)])
    main = path.read_bytes()
    size = path.with_name("gateway.db-wal").stat().st_size
    with StoreAdmin(f"sqlite:///{path}", clock=clock) as admin:
        for row in admin.deliveries():
            admin.cancel(row.id)
        admin.status()
    assert path.read_bytes() == main
    assert path.with_name("gateway.db-wal").stat().st_size > size
    await store.close()


def test_nothing_is_written_through_the_reading_connection_of_sqlite(tmp_path: Path) -> None:
    with StoreAdmin(f"sqlite:///{tmp_path}/g.db") as admin:
        admin.migrate()
        with pytest.raises(StoreUnavailable, match="readonly"):
            admin._connections.read(lambda session: session.change("DELETE FROM events"))


async def test_what_a_database_refuses_for_ever_is_said_to_be_refused_and_changes_nothing(
    store: Store, admin: StoreAdmin, url: str
) -> None:
    await take(store, new(1, "app"))

    def work(session: Session) -> None:
        session.change("DELETE FROM deliveries")
        session.change("INSERT INTO meta (name, value) VALUES ('schema', 'x')")

    with pytest.raises(ItemRefused, match="cannot be changed"):
        admin._connections.change(work)
    assert table(url, "count(*)", "deliveries") == [(1,)]


async def test_a_fault_of_ours_is_not_dressed_up(store: Store, admin: StoreAdmin) -> None:
    with pytest.raises(ZeroDivisionError):
        admin._connections.read(lambda _session: 1 / 0)


def test_the_admin_side_goes_on_after_its_connections_were_lost(postgres_url: str) -> None:
    admin = StoreAdmin(postgres_url)
    admin.migrate()
    assert admin.events() == []
    admin.pause("app")
    kill = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()
        AND pid <> pg_backend_pid()"""
    with beside(postgres_url) as opened:
        opened.rows(kill)
    with pytest.raises(StoreUnavailable):
        admin.events()
    assert admin.events() == []
    assert admin.resume("app")
    admin.close()


@pytest.mark.whole_server
def test_a_deadlock_is_run_again_and_not_for_ever(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reruns, "sleep", lambda _: None)
    admin = StoreAdmin(postgres_url)
    admin.migrate()
    runs: list[int] = []

    def work(session: Session) -> str:
        runs.append(1)
        if len(runs) < 3:
            session.rows("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")
        return "done"

    assert admin._connections.change(work) == "done"
    assert len(runs) == 3
    runs.clear()

    def never(session: Session) -> None:
        runs.append(1)
        session.rows("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '40P01'; END $$")

    with pytest.raises(StoreUnavailable):
        admin._connections.change(never)
    assert len(runs) == 1 + reruns.RERUNS_MAX
    admin.close()


async def test_the_servers_clock_is_asked_when_nobody_gives_one(store: Store, url: str) -> None:
    await take(store, new(1, "app"))
    with StoreAdmin(url) as admin:
        (row,) = admin.deliveries()
        admin.retry(row.id)
        (row,) = admin.deliveries()
    assert row.next_attempt_at is not None
    assert row.next_attempt_at > 1_767_225_600_000 + 1000


def test_reading_a_sqlite_store_imports_no_postgresql(tmp_path: Path) -> None:
    program = f"""
        import sys
        from gateway.store.admin.admin import StoreAdmin
        with StoreAdmin("sqlite:///{tmp_path}/g.db") as admin:
            admin.migrate()
            admin.status()
        print([name for name in sys.modules if name.startswith("psycopg")])
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert run.stdout.strip() == "[]"


def test_connections_are_closed_twice_without_harm(tmp_path: Path) -> None:
    from gateway.text.store_address import parse_address

    connections = StoreConnections(parse_address(f"sqlite:///{tmp_path}/g.db"), None)
    connections.close()
    connections.close()


def test_between_two_changes_the_admin_side_gives_way_to_the_gateway(tmp_path: Path) -> None:
    pauses: list[float] = []
    with StoreAdmin(f"sqlite:///{tmp_path}/g.db") as admin:
        admin.migrate()
        admin._connections._sleep = pauses.append  # type: ignore[assignment]
        for _ in range(20):
            admin.pause("app")
            admin.resume("app")
    assert len(pauses) > 10
    assert all(0 < pause <= 0.25 for pause in pauses)
