"""Opening a store: whose file it is, one owner, tables made once, modes, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from pathlib import Path

import pytest

from gateway.errors import SchemaMismatch, StoreError, StoreUnavailable
from gateway.runtime.clock import FrozenClock
from gateway.store.engine import migrations
from gateway.store.engine.patience import NotYet, awaited, patiently
from gateway.store.engine.session import Session
from gateway.store.sqlite.session import SessionRole, SqliteSession, make_file
from gateway.store.store import Store
from gateway.text.store_address import parse_address
from tests import threads
from tests.patience import PATIENCE_S
from tests.postgres import folder_of
from tests.store.conftest import Opener
from tests.store.kit import LEASE, act, beside, new, session, states, table, take


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
    barrier = threading.Barrier(10, timeout=PATIENCE_S)

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

    def use(path: Path, barrier: threading.Barrier, role: SessionRole) -> None:
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

    few: list[SessionRole] = ["writer", "writer", "writer", "admin", "reader"]
    roles = few * 2
    with tempfile.TemporaryDirectory(dir=folder_of("").parent) as folder:  # in memory, where chance has many rounds
        for number in range(60):
            make_file(path := Path(folder) / f"{number}.db")
            barrier = threading.Barrier(len(roles), timeout=PATIENCE_S)
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


async def test_every_error_of_opening_is_a_store_error(open_at: Opener) -> None:
    with pytest.raises(StoreError):
        await open_at(url="postgresql://nobody@127.0.0.1:1/none")


async def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path: Path, open_at: Opener) -> None:
    with pytest.raises(StoreUnavailable, match=r"the folder .*nowhere is not there: make it"):
        await open_at(url=f"sqlite:///{tmp_path}/nowhere/gateway.db")
