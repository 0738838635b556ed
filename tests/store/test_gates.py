"""Circuits, pauses, and the clock that stands still with them."""

from __future__ import annotations

from gateway.runtime.clock import FrozenClock
from gateway.store.records import Gate
from gateway.store.store import Store
from tests.store.kit import LEASE, new, pause, resume, settlement, table, take

MINUTE = 60_000


async def gate(store: Store, sink: str = "app") -> Gate:
    return (await store.gates())[sink]


async def test_a_tripped_circuit_lets_no_claim_through_and_is_tripped_once(store: Store, clock: FrozenClock) -> None:
    await take(store, new(1, "app"))
    first = await store.trip("app", 5_000, "host gone")
    assert first == Gate(sink="app", open_until=clock.ms() + 5_000, pauses=1, reason="host gone")
    assert await store.trip("app", 99_000, "another") == first
    assert not await store.claim("app", 10, LEASE)
    clock.advance(3600)
    assert not await store.claim("app", 10, LEASE)


async def test_a_circuit_that_is_open_for_a_year_burns_no_attempt(store: Store, url: str, clock: FrozenClock) -> None:
    await take(store, *[new(n, "app") for n in range(5)])
    await store.trip("app", 1_000, "down")
    for _ in range(50):
        clock.advance(7 * 86_400)
        mark = await store.probe("app", LEASE)
        assert mark is not None
        (lease,) = await store.claim("app", 1, LEASE, probe=True)
        await store.settle([settlement(lease, "waiting", burnt=False)])
        await store.probed("app", mark, good=False, pause=1_000, reason="still down")
    assert {attempts for (attempts,) in table(url, "attempts", "deliveries")} == {0}


async def test_one_probe_at_a_time_after_the_pause_and_its_mark_decides(store: Store, clock: FrozenClock) -> None:
    await store.trip("app", 5_000, "down")
    assert await store.probe("app", LEASE) is None
    clock.advance(5)
    mark = await store.probe("app", LEASE)
    assert mark is not None
    assert await store.probe("app", LEASE) is None
    await store.probed("app", mark + 1, good=True)
    assert (await gate(store)).open_until is not None
    await store.probed("app", mark, good=False, pause=9_000, reason="worse")
    state = await gate(store)
    assert (state.open_until, state.pauses, state.reason) == (clock.ms() + 9_000, 2, "worse")
    clock.advance(9)
    mark = await store.probe("app", LEASE)
    assert mark is not None
    await store.probed("app", mark, good=True)
    state = await gate(store)
    assert (state.open_until, state.pauses, state.reason, state.stalled) == (None, 0, None, 14_000)


async def test_a_probe_whose_process_died_is_taken_over_after_its_lease(store: Store, clock: FrozenClock) -> None:
    await store.trip("app", 0, "down")
    assert await store.probe("app", LEASE)
    clock.advance(LEASE / 1000)
    assert await store.probe("app", LEASE)


async def test_the_probe_is_the_oldest_never_tried_due_or_not(store: Store, clock: FrozenClock) -> None:
    await take(store, new(1, "app"), new(2, "app"), new(3, "app"))
    first, second = await store.claim("app", 2, LEASE)
    await store.settle([settlement(first, "waiting", delay=0)])
    await store.release([(second.delivery, second.token)], delay=50_000)
    await store.trip("app", 0, "down")
    (probe,) = await store.claim("app", 1, LEASE, probe=True)
    assert probe.event.stream == "s3"
    (probe,) = await store.claim("app", 1, LEASE, probe=True)
    assert (probe.event.stream, probe.attempt) == ("s2", 1)


async def test_else_the_probe_is_the_least_tried_and_not_one_that_runs(store: Store, clock: FrozenClock) -> None:
    await take(store, new(1, "app"), new(2, "app"), new(3, "app"))
    for many in (3, 2, 1):
        leases = await store.claim("app", many, LEASE)
        await store.settle(
            [settlement(lease, "waiting", delay=0 if lease is not leases[-1] else 10**7) for lease in leases]
        )
    await store.trip("app", 0, "down")
    (probe,) = await store.claim("app", 1, LEASE, probe=True)
    assert probe.attempt == 2
    (next_one,) = await store.claim("app", 1, LEASE, running=[probe.delivery], probe=True)
    assert next_one.delivery != probe.delivery


async def test_an_ended_lease_can_be_the_probe_and_is_recorded_as_lost(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, new(1, "app", lease=LEASE))
    await store.trip("app", 0, "down")
    assert not await store.claim("app", 1, LEASE, probe=True)
    clock.advance(60)
    (probe,) = await store.claim("app", 1, LEASE, probe=True)
    assert probe.token == 2
    assert table(url, "token, outcome", "attempts") == [(1, "lost")]


async def test_a_paused_sink_is_not_even_probed(store: Store, url: str, clock: FrozenClock) -> None:
    await take(store, new(1, "app"))
    await store.trip("app", 0, "down")
    pause(url, clock, "app")
    assert (await gate(store)).paused
    assert await store.probe("app", LEASE) is None
    assert not await store.claim("app", 1, LEASE, probe=True)
    resume(url, clock, "app")
    assert await store.probe("app", LEASE) is not None


# -- the stalled clock ----------------------------------------------------------------------------------------------


async def test_paused_and_open_time_is_counted_once_where_they_overlap(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await store.trip("app", 1_000, "down")
    clock.advance(10)
    pause(url, clock, "app")
    clock.advance(10)
    mark = await store.probe("app", LEASE)
    assert mark is None
    resume(url, clock, "app")
    clock.advance(10)
    assert (await gate(store)).stalled == 30_000
    mark = await store.probe("app", LEASE)
    assert mark is not None
    await store.probed("app", mark, good=True)
    clock.advance(10)
    assert (await gate(store)).stalled == 30_000


async def test_closing_the_circuit_of_a_paused_sink_lets_its_clock_stand(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await store.trip("app", 0, "down")
    mark = await store.probe("app", LEASE)
    assert mark is not None
    clock.advance(5)
    pause(url, clock, "app")
    clock.advance(5)
    await store.probed("app", mark, good=True)
    clock.advance(5)
    assert (await gate(store)).stalled == 15_000
    resume(url, clock, "app")
    clock.advance(5)
    assert (await gate(store)).stalled == 15_000


async def test_a_lease_carries_the_stalled_clock_of_its_rounds_first_attempt(store: Store, clock: FrozenClock) -> None:
    await store.trip("app", 0, "down")
    clock.advance(7)
    mark = await store.probe("app", LEASE)
    assert mark is not None
    await store.probed("app", mark, good=True)
    (answer,) = await take(store, new(1, "app", lease=LEASE))
    assert answer.leases[0].stalled == 7_000
    await store.settle([settlement(answer.leases[0], "waiting")])
    await store.trip("app", 0, "down")
    clock.advance(100)
    (probe,) = await store.claim("app", 1, LEASE, probe=True)
    assert probe.stalled == 7_000
    assert (await gate(store)).stalled == 107_000
    await take(store, new(2, "app"))
    (fresh,) = await store.claim("app", 1, LEASE, probe=True)
    assert fresh.stalled == 107_000


async def test_time_in_which_nobody_served_a_sink_counts_as_stalled(store: Store, clock: FrozenClock) -> None:
    await store.serving(["app", "ops"])
    clock.advance(60)
    await store.serving(["app", "ops"])
    clock.advance(180)
    await store.serving(["app"])
    assert (await gate(store)).stalled == 0
    clock.advance(3600)
    await store.serving(["app", "ops"])
    assert (await gate(store)).stalled == 3_600_000
    assert (await gate(store, "ops")).stalled == 3_780_000


async def test_an_unserved_gap_is_not_counted_again_while_the_circuit_is_open(store: Store, clock: FrozenClock) -> None:
    await store.serving(["app"])
    await store.trip("app", 0, "down")
    clock.advance(3600)
    await store.serving(["app"])
    assert (await gate(store)).stalled == 3_600_000


async def test_a_sink_without_a_row_has_no_gate(store: Store) -> None:
    assert await store.gates() == {}
