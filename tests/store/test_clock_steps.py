"""The wall clock is set while the gateway runs: what waits does not stand still, and nothing grows old by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.runtime.clock import FrozenClock
from gateway.store.outbox import clock_steps
from gateway.store.outbox.clock_steps import ClockSteps
from gateway.store.sqlite.batch import SqliteBulk
from gateway.store.store import Store
from tests.store.conftest import Opener
from tests.store.faults import on_writer
from tests.store.kit import LEASE, beside, event, new, pause, resume, settlement, table, take

BACK = -45 * 60.0  # seconds
DAY = 24 * 3600.0
MINUTE = 60_000  # ms


async def step(store: Store, clock: FrozenClock, seconds: float) -> None:
    """The clock is set, and the writer looks at it: between two batches, on PostgreSQL within about a second."""
    await on_writer(store, lambda _: None)
    clock.advance(2)
    await on_writer(store, lambda _: None)
    clock.jump(seconds)
    clock.advance(2)
    await on_writer(store, lambda _: None)


async def waiting_retry(store: Store, delay: int) -> None:
    """A delivery whose first attempt failed, to be tried again after `delay` ms."""
    (lease,) = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease, "waiting", delay=delay)])


async def test_what_waits_is_due_as_soon_after_the_clock_was_set_back_as_it_was_before(
    store: Store, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"))
    await waiting_retry(store, 10 * MINUTE)
    await take(store, new(2, "app"), new(3, "app", key="k"), new(4, "app", key="k"))
    await step(store, clock, BACK)
    taken = await store.claim("app", 10, LEASE)
    assert sorted(lease.event.stream or "" for lease in taken) == ["s2", "s3"]
    await store.settle([settlement(lease) for lease in taken])
    assert [lease.event.stream for lease in await store.claim("app", 10, LEASE)] == ["s4"]
    clock.advance(10 * 60)
    assert "s1" in [lease.event.stream for lease in await store.claim("app", 10, LEASE)]


@pytest.mark.parametrize("seconds", [BACK, DAY, -DAY, 40 * DAY], ids=str)
async def test_a_lease_lasts_as_long_as_it_was_given_for_however_the_clock_is_set(
    store: Store, clock: FrozenClock, seconds: float
) -> None:
    await take(store, new(1, "app"))
    (lease,) = await store.claim("app", 1, LEASE)
    await step(store, clock, seconds)
    assert not await store.claim("app", 1, LEASE)
    clock.advance(LEASE / 1000)
    (other,) = await store.claim("app", 1, LEASE)
    assert other.delivery == lease.delivery
    assert other.lost


@pytest.mark.parametrize("seconds", [BACK, DAY, 40 * DAY], ids=str)
async def test_no_delivery_grows_old_or_young_by_a_step_of_the_clock(
    store: Store, clock: FrozenClock, seconds: float
) -> None:
    await take(store, new(1, "app"))
    await waiting_retry(store, MINUTE)
    clock.advance(60)
    await step(store, clock, seconds)
    clock.advance(60)
    (lease,) = await store.claim("app", 1, LEASE)
    assert lease.attempt == 2
    assert 120_000 <= lease.elapsed <= 130_000


@pytest.mark.parametrize("seconds", [BACK, DAY], ids=str)
async def test_a_pause_and_an_open_circuit_count_as_before(
    store: Store, url: str, clock: FrozenClock, seconds: float
) -> None:
    await take(store, new(1, "app"))
    await waiting_retry(store, MINUTE)
    await store.trip("mail", 5 * MINUTE, "down")
    pause(url, clock, "app")
    clock.advance(100)
    await step(store, clock, seconds)
    clock.advance(100)
    gates = await store.gates()
    assert gates["app"].stalled - 0 >= 200_000 + min(seconds, 0) * 1000
    resume(url, clock, "app")
    (lease,) = await store.claim("app", 1, LEASE)
    assert lease.elapsed <= 10_000
    assert await store.probe("mail", LEASE) is None
    clock.advance(200)
    assert await store.probe("mail", LEASE) is not None


async def test_a_probe_that_was_lost_holds_its_circuit_no_longer_when_the_clock_is_set_back(
    store: Store, clock: FrozenClock
) -> None:
    await store.trip("app", 0, "down")
    assert await store.probe("app", LEASE) is not None
    await step(store, clock, BACK)
    assert await store.probe("app", LEASE) is None
    clock.advance(LEASE / 1000)
    assert await store.probe("app", LEASE) is not None


async def test_one_line_says_by_how_much_the_clock_was_set(store: Store, clock: FrozenClock) -> None:
    await take(store, new(1, "app"), new(2, "app"))
    with structlog.testing.capture_logs() as lines:
        await step(store, clock, BACK)
        for _ in range(5):
            clock.advance(2)
            await on_writer(store, lambda _: None)
    (line,) = lines
    assert line == {"event": "clock_stepped", "log_level": "warning", "seconds": BACK, "deliveries": 2}


async def test_a_clock_that_is_slewed_or_set_by_less_than_a_second_moves_nothing(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, new(1, "app"))
    due = table(url, "due_at", "deliveries")
    for seconds in (-0.9, 0.5, 0.9, -0.5):
        await step(store, clock, seconds)
    assert table(url, "due_at", "deliveries") == due


async def test_of_two_gateways_on_one_server_one_moves_the_rows_once(
    open_at: Opener, postgres_url: str, clock: FrozenClock
) -> None:
    first, second = await open_at(url=postgres_url), await open_at(url=postgres_url)
    await take(first, new(1, "app"))
    for store in (first, second):
        await on_writer(store, lambda _: None)
    for n in range(1, 4):
        before = clock.ms()
        clock.advance(2)
        for store in (first, second):
            await on_writer(store, lambda _: None)
        clock.jump(BACK)
        clock.advance(2)
        for store in (second, first) if n % 2 else (first, second):
            await on_writer(store, lambda _: None)
        assert table(postgres_url, "value", "meta WHERE name = 'clock_steps'") == [(str(n),)]
        assert clock.ms() < before
    ((due,),) = table(postgres_url, "due_at", "deliveries")
    assert -20_000 < due - clock.ms() <= 0


async def test_many_rows_are_moved_in_steps_and_each_once(
    store: Store, url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_steps, "MOVE_ROWS", 3)
    monkeypatch.setattr(clock_steps, "MOVE_SECONDS", 0.0)
    await take(store, *[new(n, "app") for n in range(20)])
    before = [due for (due,) in table(url, "due_at", "deliveries")]
    await step(store, clock, BACK)
    for _ in range(8):
        clock.advance(2)
        await on_writer(store, lambda _: None)
    assert [due for (due,) in table(url, "due_at", "deliveries")] == [due + int(BACK * 1000) for due in before]


async def test_a_second_step_finds_the_first_one_done(
    store: Store, url: str, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_steps, "MOVE_ROWS", 3)
    monkeypatch.setattr(clock_steps, "MOVE_SECONDS", 0.0)
    await take(store, *[new(n, "app") for n in range(20)])
    await step(store, clock, BACK)
    await step(store, clock, BACK)
    for _ in range(8):
        await on_writer(store, lambda _: None)
    assert len(await store.claim("app", 100, LEASE)) == 20


async def test_after_a_restart_the_mark_of_an_earlier_step_is_known(
    opened: Opener, url: str, clock: FrozenClock
) -> None:
    store = await opened()
    await step(store, clock, BACK)
    await store.close()
    store = await opened()
    await take(store, new(1, "app"))
    await step(store, clock, BACK)
    assert len(await store.claim("app", 1, LEASE)) == 1
    assert table(url, "value", "meta WHERE name = 'clock_steps'") == [("2",)]


def test_a_reading_that_took_long_says_nothing(tmp_path: Path, clock: FrozenClock) -> None:
    steps = ClockSteps(clock.monotonic)
    assert steps._compare(1_000, 0.0, 0.0) == 0
    assert steps._compare(900_000, 1.0, 4.0) == 0
    assert steps._compare(9_000, 4.0, 4.5) == pytest.approx(3_500, abs=1)
    assert steps._compare(9_500, 4.5, 5.0) == 0


async def test_a_server_whose_clock_jumps_between_two_looks_makes_no_delivery_old(
    open_at: Opener, postgres_url: str, clock: FrozenClock
) -> None:
    store = await open_at(url=postgres_url)
    await take(store, new(1, "app"))
    await waiting_retry(store, 0)
    await on_writer(store, lambda _: None)
    clock.jump(10 * DAY)  # within the second in which nobody looks
    (lease,) = await store.claim("app", 1, LEASE)
    assert lease.elapsed < 10_000
    with beside(postgres_url) as look:
        assert look.rows("SELECT value FROM meta WHERE name = 'clock_steps'") == [("1",)]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seconds", [BACK, 3600.0, DAY], ids=str)
async def test_a_clock_that_is_set_within_a_batch_holds_up_nothing_of_it(
    store: Store, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    await take(store, new(1, "app"))
    (lease,) = await store.claim("app", 1, LEASE)
    insert, settle = SqliteBulk.insert, SqliteBulk.settle
    jumps = [seconds]

    def set_within(write: Any) -> Any:
        def jumped(*given: Any, **named: Any) -> Any:
            if jumps:
                clock.jump(jumps.pop())
            return write(*given, **named)

        return jumped

    with monkeypatch.context() as patched:
        patched.setattr(SqliteBulk, "insert", set_within(insert))
        await take(store, new(2, "app"))
    jumps = [-seconds]
    with monkeypatch.context() as patched:
        patched.setattr(SqliteBulk, "settle", set_within(settle))
        await store.settle([settlement(lease, "waiting", delay=MINUTE)])
    await on_writer(store, lambda _: None)
    (taken,) = await store.claim("app", 10, LEASE)
    assert taken.event.stream == "s2"
    await store.settle([settlement(taken)])
    clock.advance(MINUTE / 1000)
    assert [one.event.stream for one in await store.claim("app", 10, LEASE)] == ["s1"]


async def test_what_a_server_stored_by_its_new_clock_is_not_moved(
    open_at: Opener, postgres_url: str, clock: FrozenClock
) -> None:
    store = await open_at(url=postgres_url)
    await take(store, new(1, "app"))
    await waiting_retry(store, 10 * MINUTE)
    await on_writer(store, lambda _: None)
    clock.jump(DAY)  # within the second in which nobody looks
    await take(store, new(event(2, at=clock.now()), "app"))
    clock.advance(2)
    await on_writer(store, lambda _: None)
    (taken,) = await store.claim("app", 10, LEASE)
    assert taken.event.stream == "s2"
    await store.settle([settlement(taken)])
    clock.advance(10 * 60)
    assert [one.event.stream for one in await store.claim("app", 10, LEASE)] == ["s1"]
