"""A sink that a person pauses gets nothing, and its deliveries do not grow old meanwhile."""

from __future__ import annotations

import asyncio

from gateway.dispatch.leased_delivery import Dispatch, LeasedDelivery
from gateway.errors import Retry, Unavailable
from gateway.model import Delivery
from tests.dispatch.test_breaking import DAY, broken
from tests.patience import eventually

from .conftest import Build, House, Scripted, event, raising


async def pause(house: House) -> None:
    now = house.clock.ms()
    house.write(
        f"INSERT INTO sinks (name, paused_at, paused_by, stalled_since) VALUES ('app', {now}, 'me', {now})"
        f" ON CONFLICT (name) DO UPDATE SET paused_at = {now}, paused_by = 'me', stalled_since = {now}"
    )


async def resume(house: House) -> None:
    house.write(
        f"UPDATE sinks SET paused_at = NULL, stalled_ms = stalled_ms + {house.clock.ms()} - stalled_since, stalled_since = NULL"
    )


async def test_a_paused_sink_gets_nothing_and_flows_again_within_a_second(build: Build) -> None:
    sink = Scripted()
    house = await build(sink)
    await pause(house)
    await house.later(1)
    await house.put(event(1), event(2))
    await house.later(100)
    assert sink.seen == []
    await eventually(lambda: house.rows() == ["waiting"] * 2)
    await resume(house)
    await house.later(1)
    await eventually(lambda: house.rows() == ["delivered"] * 2)


async def test_what_was_not_begun_goes_back_when_a_person_pauses(build: Build) -> None:
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await gate.wait()

    house = await build(Scripted("app", wait), delivery={"concurrency": 1})
    await house.put(event(1), event(2))
    await eventually(lambda: house.rows() == ["sending"] * 2)
    await pause(house)
    await house.later(1)
    await eventually(lambda: house.rows("state, attempts") == [("sending", 1), ("waiting", 0)])
    gate.set()
    await eventually(lambda: house.rows() == ["delivered", "waiting"])


async def test_a_probe_that_a_person_pauses_before_it_begins_goes_back_and_is_made_again(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    lane = house.dispatcher.lanes["app"]
    (lease,) = await house.store.claim("app", 1, 45_000, probe=True)
    lane.prober.mark = 7
    gate = lane.breaker.gate
    lane.breaker.gate = gate.replace(paused=True)
    lane.slots.occupy(Dispatch([LeasedDelivery(lease, 1e9)], probe=7), token=True)
    await house.calm()
    await eventually(lambda: house.rows("state, attempts") == [("waiting", 0)])
    assert len(sink.seen) == 1
    sink.script = None
    await house.later(60)  # the poll has seen that nobody pauses any more
    await eventually(lambda: house.rows() == ["delivered"])


async def test_a_probe_that_worked_forgets_whom_earlier_ones_failed_with(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    prober = house.dispatcher.lanes["app"].prober
    await house.later(60)
    assert prober._avoided  # the one that it was tried with and failed
    sink.script = None
    for _ in range(3):
        await house.later(60)
    await eventually(lambda: house.rows() == ["delivered"])
    assert not prober._avoided


async def test_a_probe_whose_lease_was_lost_before_it_begins_is_made_again(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    lane = house.dispatcher.lanes["app"]
    (lease,) = await house.store.claim("app", 1, 45_000, probe=True)
    lane.prober.mark = 7
    lost = LeasedDelivery(
        lease.replace(token=lease.token + 1), 0.0
    )  # another gateway's by now, so it cannot be renewed
    lane.slots.occupy(Dispatch([lost], probe=7), token=True)
    await house.calm()
    assert lane.prober.mark is None
    assert lane.slots.occupied == 0
    sink.script = None
    for _ in range(3):
        await house.later(60)
    await eventually(lambda: house.rows() == ["delivered"])


async def test_giving_up_stands_still_while_the_sink_is_paused(build: Build) -> None:
    sink = Scripted("app", raising(lambda: Retry("busy")))
    house = await build(sink, delivery={"retry": {"initial": "1s", "max": "1s", "give_up_after": "60s"}})
    await house.put(event(1))
    await house.later(30)
    await pause(house)
    await house.later(DAY, step=200)
    before = len(sink.seen)
    await resume(house)
    await house.later(20)
    await eventually(lambda: house.rows() == ["waiting"])
    assert len(sink.seen) > before + 5
    await house.later(20)
    await eventually(lambda: house.rows("state, reason") == [("dead", "expired")])


async def test_giving_up_stands_still_while_the_circuit_is_open(build: Build) -> None:
    sink = Scripted("app", raising(lambda: Retry("busy")))
    house = await build(sink, delivery={"retry": {"initial": "1s", "max": "1s", "give_up_after": "60s"}})
    await house.put(event(1))
    await house.later(30)
    sink.script = raising(lambda: Unavailable("gone"))
    await house.later(DAY, step=200)
    await eventually(lambda: house.rows() == ["waiting"])
    sink.script = None
    await house.put(event(2))
    await house.later(400, step=100)
    await eventually(lambda: house.rows() == ["delivered"] * 2)
