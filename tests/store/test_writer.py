"""The one writer: commits together, answers after the commit, survives bad items, failed commits and lost connections."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import Any

import psycopg
import pytest

from gateway.errors import ItemRefused, StoreUnavailable
from gateway.runtime.clock import FrozenClock
from gateway.runtime.rising_pause import seconds_after
from gateway.store.engine import write_queue, writer_link
from gateway.store.engine import writer as writing
from gateway.store.engine.batch import Bulk
from gateway.store.engine.commit_waiters import WorkDone
from gateway.store.records import NewEvent
from gateway.store.store import Store
from tests.store.conftest import Opener
from tests.store.faults import fail_next, held_up
from tests.store.kit import LEASE, beside, event, new, settlement, states, table, take


def broken(session: Bulk) -> BaseException:
    """The error of a store that cannot commit now."""
    if session.backend == "sqlite":
        error: Any = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorname = "SQLITE_FULL"
        return error
    return psycopg.errors.DiskFull("could not extend file")


def cut(session: Bulk) -> BaseException:
    """The connection is gone."""
    if session.backend == "sqlite":
        error: Any = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_WRITE"
        return error
    session.close()
    return psycopg.OperationalError("server closed the connection unexpectedly")


def seen(commits: list[int]) -> Any:
    return lambda items, _seconds: commits.append(items)


async def test_what_came_during_a_commit_is_committed_together(opened: Opener, url: str) -> None:
    commits: list[int] = []
    store = await opened(observe=seen(commits))
    with held_up(store):
        futures = [store.accept([new(n, "app")]) for n in range(32)]
    await asyncio.gather(*futures)
    assert commits[-1] == 32


async def test_a_batch_has_at_most_512_items_and_about_four_mib(
    opened: Opener, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[int] = []
    store = await opened(observe=seen(commits))
    with held_up(store):
        futures = [store.accept([new(n)]) for n in range(600)]
    await asyncio.gather(*futures)
    assert commits[-2:] == [512, 88]
    with held_up(store):
        futures = [store.accept([new(event(n, raw=b"x" * 3_000_000))]) for n in range(1000, 1004)]
    await asyncio.gather(*futures)
    assert commits[-2:] == [2, 2]


async def test_nobody_is_told_stored_before_the_commit_is_visible_to_others(store: Store, url: str) -> None:
    for n in range(20):
        await take(store, new(n))
        assert len(table(url, "id", "events")) == n + 1


async def test_one_bad_item_of_32_is_refused_and_31_are_stored(store: Store, url: str) -> None:
    bad: NewEvent = new(7, "app", routing="a lone \ud800 surrogate")
    with held_up(store):
        futures = [store.accept([bad if n == 7 else new(n, "app")]) for n in range(32)]
    answers = await asyncio.gather(*futures, return_exceptions=True)
    assert isinstance(answers[7], ItemRefused)
    assert sum(1 for answer in answers if not isinstance(answer, BaseException)) == 31
    assert len(states(url)) == 31
    assert store.healthy()


@pytest.mark.plain_rows
async def test_a_nul_that_postgresql_refuses_hurts_only_its_item(open_at: Opener, postgres_url: str) -> None:
    store = await open_at(url=postgres_url)
    with held_up(store):
        futures = [store.accept([new(n, routing="\0" if n == 3 else "")]) for n in range(8)]
    answers = await asyncio.gather(*futures, return_exceptions=True)
    assert [isinstance(answer, ItemRefused) for answer in answers] == [n == 3 for n in range(8)]
    assert len(table(postgres_url, "id", "events")) == 7


async def test_an_error_of_our_own_hurts_only_its_item_and_the_writer_lives(store: Store, url: str) -> None:
    def bug(_session: Bulk) -> None:
        raise KeyError("ours")

    with held_up(store):
        futures: list[asyncio.Future[Any]] = [
            store.accept([new(1)]),
            store._writer.enqueue(bug),
            store.accept([new(2)]),
        ]
    first, second, third = await asyncio.gather(*futures, return_exceptions=True)
    assert isinstance(second, ItemRefused)
    assert isinstance(first, list)
    assert isinstance(third, list)
    assert first[0].new
    assert third[0].new


async def test_a_cancelled_waiter_takes_nothing_out_of_the_batch(store: Store, url: str) -> None:
    with held_up(store):
        futures = [store.accept([new(n)]) for n in range(32)]
        futures[5].cancel()
    await asyncio.gather(*futures, return_exceptions=True)
    assert len(table(url, "id", "events")) == 32


# -- commits that fail ----------------------------------------------------------------------------------------------


async def test_a_commit_that_fails_tells_nobody_stored_and_the_next_one_works(store: Store, url: str) -> None:
    await fail_next(store, "insert", broken, after=False)
    with held_up(store):
        futures = [store.accept([new(n, "app", lease=LEASE)]) for n in range(8)]
    answers = await asyncio.gather(*futures, return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    assert table(url, "id", "events") == []
    assert not store.healthy()
    assert all(answer.new for answer in await take(store, *[new(n) for n in range(8)]))
    assert store.healthy()


async def test_on_sqlite_a_failed_transaction_leaves_nothing_of_the_batch(tmp_path: Any, open_at: Opener) -> None:
    url = f"sqlite:///{tmp_path}/x.db"
    store = await open_at(url=url)
    await fail_next(store, "insert", broken, after=True)
    with pytest.raises(StoreUnavailable, match="did not commit"):
        await store.accept([new(1, "app")])
    assert table(url, "id", "events") == []


async def test_an_accept_whose_answer_was_lost_is_run_again_and_says_duplicate_truly(
    store: Store, url: str, clock: FrozenClock
) -> None:
    # PostgreSQL commits inside the statement; on SQLite the transaction is rolled back, and the rerun stores it.
    await fail_next(store, "insert", cut, after=True)
    with held_up(store):
        futures = [store.accept([new(n, "app", lease=LEASE)]) for n in range(32)]
    answers = [answer[0] for answer in await asyncio.gather(*futures)]
    assert len(table(url, "id", "events")) == len(states(url)) == 32
    handed = sum(len(answer.leases) for answer in answers)
    assert handed == (32 if url.startswith("sqlite") else 0)
    clock.advance(60)
    assert len(await store.claim("app", 100, LEASE)) == 32


async def test_a_settle_whose_answer_was_lost_finds_its_attempt_and_counts_as_done(store: Store, url: str) -> None:
    answers = await take(store, *[new(n, "app", lease=LEASE) for n in range(4)])
    leases = [answer.leases[0] for answer in answers]
    await fail_next(store, "settle", cut, after=True)
    done = await store.settle([settlement(leases[0]), settlement(leases[1], "waiting"), settlement(leases[2], "dead")])
    assert done == [True, True, True]
    assert len(table(url, "delivery", "attempts")) == 3
    assert [state for _, state in states(url)] == ["delivered", "waiting", "dead", "sending"]


async def test_a_connection_that_is_cut_before_the_statement_costs_nobody_an_error(
    open_at: Opener, postgres_url: str
) -> None:
    store = await open_at(url=postgres_url)
    await take(store, new(1))
    await store.due()
    with beside(postgres_url) as other:
        other.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert (await take(store, new(2)))[0].new
    assert await store.due() == []


async def test_without_a_connection_everyone_is_told_and_the_pauses_grow(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    real = store._writer._link._connect

    def away() -> Bulk:
        looks.append(time.monotonic())
        raise StoreUnavailable("nobody there")

    monkeypatch.setattr(writing, "RERUN_SECONDS", 0.3)
    monkeypatch.setattr(store._writer._link, "_connect", away)
    await fail_next(store, "insert", cut, after=False)
    with pytest.raises(StoreUnavailable, match="nobody there"):
        await store.accept([new(1)])
    assert len(looks) >= 2
    before = len(looks)
    with pytest.raises(StoreUnavailable, match=r"away; the next look is in \d"):
        await store.accept([new(1)])
    assert len(looks) == before
    assert not store.healthy()
    monkeypatch.setattr(store._writer._link, "_connect", real)
    store._writer._link._connect_at = 0.0
    await take(store, new(1))
    assert store.healthy()


async def test_pauses_between_two_looks_double_to_two_seconds() -> None:
    pauses = [seconds_after(n, writer_link._waits()) for n in (1, 2, 3, 10, 1000)]
    bounds = [(0.1, 0.2), (0.2, 0.3), (0.4, 0.5), (2.0, 2.1), (2.0, 2.1)]
    assert all(low <= pause <= high for pause, (low, high) in zip(pauses, bounds, strict=True))


async def test_a_tick_that_fails_does_not_end_the_writer(store: Store) -> None:
    def fail(_session: Bulk) -> None:
        raise KeyError("ours")

    store._writer._tick = fail
    store._writer._next_tick = 0.0
    await store.ping()
    store._writer._next_tick = 0.0
    await store.ping()


async def test_the_writer_outlives_a_bug_of_its_own(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_unit: object) -> None:
        raise KeyError("ours")

    with monkeypatch.context() as patched:
        patched.setattr(store._writer, "_group_commit", fail)
        with pytest.raises(StoreUnavailable, match="writer failed: KeyError"):
            await store.accept([new(1)])
    assert not store.healthy()
    await store.ping()
    assert store.healthy()


async def test_a_loop_that_ended_before_the_answer_is_no_error(store: Store) -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    real, store._writer._loop = store._writer._loop, loop
    try:
        assert real is not None
        store._writer._resolve([WorkDone(real.create_future(), None)])
    finally:
        store._writer._loop = real
    await store.ping()


async def test_a_number_out_of_range_is_the_items_fault(tmp_path: Any, open_at: Opener) -> None:
    store = await open_at(url=f"sqlite:///{tmp_path}/x.db")
    with pytest.raises(ItemRefused):
        await store.renew(2**70, 1, LEASE)


async def test_an_accept_that_was_told_no_before_it_began_is_not_stored_afterwards(
    opened: Opener, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "ANSWER_SECONDS", 0.05)
    store = await opened()
    with held_up(store), pytest.raises(StoreUnavailable):
        await store.accept([new(1, "app")])
    await store.ping()
    assert table(url, "id", "events") == []
