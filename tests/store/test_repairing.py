"""Clocks that jump, rows that cannot be read, servers that are slow: what is put right by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import psycopg
import pytest

from gateway.errors import StoreUnavailable
from gateway.runtime.clock import FrozenClock
from gateway.store.engine.batch import Bulk
from gateway.store.store import Store
from tests.store.conftest import Opener
from tests.store.faults import on_writer
from tests.store.kit import LEASE, act, beside, new, other, settlement, states, table, take

HOUR = 3600.0


async def test_what_a_clock_that_stood_ahead_put_far_away_is_pulled_back_at_open(
    opened: Opener, url: str, clock: FrozenClock
) -> None:
    clock.jump(30 * 24 * HOUR)
    store = await opened()
    await take(store, new(1, "app", lease=LEASE), new(2, "app"), new(3, "app"))
    lease = (await store.claim("app", 1, LEASE))[0]
    await store.settle([settlement(lease, "waiting", delay=60_000)])
    await store.close()
    clock.jump(-30 * 24 * HOUR)
    store = await opened()
    assert len(await store.claim("app", 10, LEASE)) == 3


async def test_what_a_jump_put_far_away_is_pulled_back_within_the_hour(
    opened: Opener, url: str, clock: FrozenClock
) -> None:
    store = await opened()
    await take(store, new(1, "app", lease=LEASE))
    act(url, clock, "UPDATE deliveries SET due_at = due_at + 2592000000")  # by a gateway that did not see the jump
    assert not await store.claim("app", 10, LEASE)
    await store.repair_clocks()
    assert len(await store.claim("app", 10, LEASE)) == 1


async def test_what_a_jump_put_far_away_is_pulled_back_in_small_pieces(
    opened: Opener, url: str, clock: FrozenClock
) -> None:
    store = await opened()
    store._backend.step_rows = 5
    await take(store, *(new(n, "app", lease=LEASE if n % 2 else None) for n in range(12)))
    act(url, clock, "UPDATE deliveries SET due_at = due_at + 2592000000")
    step = partial(store._spans.repair_step, most=5)
    more = [await store._backend.background(store._writer, step) for _ in range(3)]
    assert more == [True, True, False]
    assert len(await store.claim("app", 20, LEASE)) == 12


async def test_an_honest_long_delay_is_not_pulled_back_even_after_a_restart(
    opened: Opener, url: str, clock: FrozenClock
) -> None:
    store = await opened()
    await take(store, new(1, "app"), new(2, "app"))
    first, second = await store.claim("app", 2, LEASE)
    day = int(timedelta(days=1).total_seconds() * 1000)
    await store.settle([settlement(first, "waiting", delay=day)])
    await store.release([(second.delivery, second.token)], delay=day)
    await store.close()
    store = await opened()
    await store.repair_clocks()
    assert {due for (due,) in table(url, "due_at", "deliveries")} == {clock.ms() + day}
    assert table(url, "value", "meta WHERE name = 'longest_delay'") == [(str(2**27),)]


async def test_on_postgresql_an_honest_long_lease_outlives_a_restart(
    open_at: Opener, postgres_url: str, clock: FrozenClock
) -> None:
    store = await open_at(url=postgres_url)
    hour = 3_600_000
    await take(store, new(1, "app", lease=hour), new(2, "app"))
    (lease,) = await store.claim("app", 1, 2 * hour)
    assert await store.renew(lease.delivery, lease.token, 3 * hour)
    other_gateway = await open_at(url=postgres_url)
    assert not await other_gateway.claim("app", 10, LEASE)


async def test_a_failed_commit_does_not_make_it_forget_to_note_a_long_delay(
    opened: Opener, url: str, clock: FrozenClock
) -> None:
    store = await opened()
    with pytest.raises(StoreUnavailable):
        await on_writer(store, _note_and_fail(store))
    await take(store, new(1, "app"))
    (lease,) = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease, "waiting", delay=10**9)])
    assert table(url, "value", "meta WHERE name = 'longest_delay'") == [(str(2**30),)]


def _note_and_fail(store: Store) -> Callable[[Bulk], None]:
    def work(session: Bulk) -> None:
        with session.atomic():
            store._spans.note(session, "delay", 10**9)
            raise sqlite3.OperationalError("locked") if session.backend == "sqlite" else psycopg.errors.AdminShutdown()

    return work


async def test_an_event_that_cannot_be_read_ends_as_dead_and_keeps_no_other_from_being_claimed(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, *[new(n, "app", key="k" if n < 3 else None) for n in range(1, 5)])
    act(url, clock, "UPDATE events SET body = '{\"id\": 1' WHERE id = :id", id=new(1).event.id)
    leases = await store.claim("app", 10, LEASE)
    assert sorted(lease.event.stream or "" for lease in leases) == ["s3", "s4"]
    assert states(url)[0] == ("app", "dead")
    ((why, reason),) = table(url, "last_error, reason", "deliveries WHERE state = 'dead'")
    assert why.startswith("the stored event cannot be read")
    assert reason == "refused"
    assert [lease.event.stream for lease in await store.claim("app", 10, LEASE)] == ["s2"]


async def test_a_probe_whose_event_cannot_be_read_is_none(store: Store, url: str, clock: FrozenClock) -> None:
    await take(store, new(1, "app"))
    act(url, clock, "UPDATE events SET body = '[]'")
    await store.trip("app", 0, "down")
    assert not await store.claim("app", 1, LEASE, probe=True)
    assert states(url) == [("app", "dead")]


async def test_a_statement_that_takes_too_long_is_ended_by_the_server_and_told_as_unavailable(
    open_at: Opener, postgres_url: str
) -> None:
    store = await open_at(url=postgres_url)
    await on_writer(store, lambda session: session.rows("SELECT set_config('statement_timeout', '100', false)"))
    with beside(postgres_url) as blocker, blocker.atomic():
        blocker.rows("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailable, match="57014"):
            await store.accept([new(1)])
    assert (await take(store, new(1)))[0].new


async def test_a_reading_that_fails_is_told_and_the_next_one_works(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be read"):
        await store._backend.reader.ask(lambda session: session.rows("SELECT nonsense FROM nowhere"))
    with pytest.raises(KeyError):
        await store._backend.reader.ask(lambda session: dict[str, str]()["ours"])
    assert await store.due() == []


async def test_the_tables_of_a_store_that_cannot_be_counted_are_said_to_be_unusable(
    opened: Opener, url: str, clock: FrozenClock
) -> None:
    store = await opened()
    await take(store, new(1, "app"), other(1))
    await store.close()
    act(url, clock, "ALTER TABLE deliveries RENAME TO moved")
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        await opened()
    act(url, clock, "ALTER TABLE moved RENAME TO deliveries")
    assert (await opened()).healthy()
