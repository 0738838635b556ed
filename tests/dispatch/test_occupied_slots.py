"""How many slots a lane occupies: what it carries within half a second, so that nothing has to be claimed that was just stored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import takewhile

import pytest

from gateway.dispatch.lane import Lane
from gateway.dispatch.slots import QUICK_FACTOR_MAX, QUICK_SLOTS_MAX
from gateway.model import Delivery
from gateway.store.records import Settlement
from tests.dispatch.conftest import Build, Scripted, event, turns
from tests.patience import eventually

ATTEMPTS = 400  # until what an attempt usually takes has forgotten what it began with


def taught(lane: Lane, seconds: float) -> Lane:
    """A lane whose sink usually takes so long."""
    for _ in range(ATTEMPTS):
        lane.slots.took(seconds)
    return lane


def reserved(lane: Lane) -> int:
    """As many fresh deliveries as it takes at once."""
    return len(list(takewhile(lambda lease: lease is not None, (lane.reserve() for _ in range(10_000)))))


@pytest.mark.parametrize(
    ("seconds", "limit"), [(0.001, 32), (0.06, 32), (0.099, 20), (0.199, 10), (0.25, 8), (60.0, 8)]
)
async def test_a_lane_has_in_hand_what_it_carries_in_half_a_second_and_never_less_than_twice_its_concurrency(
    build: Build, seconds: float, limit: int
) -> None:
    house = await build(Scripted("app"), delivery={"concurrency": 4})
    lane = taught(house.dispatcher.lanes["app"], seconds)
    assert limit <= 4 * QUICK_FACTOR_MAX
    assert reserved(lane) == limit
    assert lane.slots.threshold == limit // 2


async def test_before_anything_is_known_of_a_sink_it_is_not_quick(build: Build) -> None:
    house = await build(Scripted("app"), delivery={"concurrency": 4})
    assert reserved(house.dispatcher.lanes["app"]) == 8


async def test_however_quick_a_sink_is_what_it_has_in_hand_is_bounded(build: Build) -> None:
    house = await build(Scripted("app"), delivery={"concurrency": 200})
    assert reserved(taught(house.dispatcher.lanes["app"], 0.001)) == QUICK_SLOTS_MAX


async def test_a_sink_that_hangs_once_is_not_quick_for_a_while(build: Build) -> None:
    house = await build(Scripted("app"), delivery={"concurrency": 4})
    lane = taught(house.dispatcher.lanes["app"], 0.001)
    lane.slots.took(30.0)
    assert reserved(lane) == 8


async def test_a_rate_is_held_by_what_is_in_hand_however_quick_the_sink_is(build: Build) -> None:
    house = await build(Scripted("app"), delivery={"concurrency": 4, "rate": "100/s"})
    assert reserved(taught(house.dispatcher.lanes["app"], 0.001)) == 4


async def test_while_older_rows_wait_half_of_it_is_theirs(build: Build) -> None:
    house = await build(Scripted("app"), delivery={"concurrency": 4})
    lane = taught(house.dispatcher.lanes["app"], 0.001)
    lane.claimer.due = True
    assert reserved(lane) == 16


async def test_what_a_quick_sink_is_given_under_load_is_handed_over_and_not_claimed(build: Build) -> None:
    """More at once than twice the concurrency, as the outcomes that are not written yet hold their slots too."""
    gate = asyncio.Semaphore(0)

    async def script(_: Delivery) -> None:
        await gate.acquire()

    house = await build(Scripted("app", script), delivery={"concurrency": 2})
    lane = taught(house.dispatcher.lanes["app"], 0.001)
    await house.put(*(event(number) for number in range(16)))
    assert house.rows("state", "attempts = 1") == ["sending"] * 16
    for _ in range(16):
        gate.release()
    await eventually(lambda: not lane.occupied)
    assert set(house.rows("token")) == {1}, "nothing was claimed"


async def test_no_more_is_sent_than_twice_the_concurrency_before_its_outcomes_are_written(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a kill repeats no more than it did when no more was in hand."""
    sink = Scripted("app")
    house = await build(sink, delivery={"concurrency": 2})
    taught(house.dispatcher.lanes["app"], 0.001)
    may_write, settle = asyncio.Event(), house.store.settle

    async def unwritten(settlements: Sequence[Settlement]) -> Sequence[bool]:
        await may_write.wait()
        return await settle(settlements)

    monkeypatch.setattr(house.store, "settle", unwritten)
    await house.put(*(event(number) for number in range(16)))
    await eventually(lambda: len(sink.ids) == 4)
    await turns()
    assert len(sink.ids) == 4
    may_write.set()
    await eventually(lambda: len(sink.ids) == 16)
    await house.calm()
    assert set(house.rows("state, token")) == {("delivered", 1)}


async def test_what_a_sink_that_became_slow_has_too_much_of_goes_back_unburnt(build: Build) -> None:
    """Else its leases would end while it waits for a worker."""
    may_end = asyncio.Event()

    async def script(_: Delivery) -> None:
        await may_end.wait()

    house = await build(Scripted("app", script), delivery={"concurrency": 2})
    lane = taught(house.dispatcher.lanes["app"], 0.001)
    await house.put(*(event(number) for number in range(16)))
    assert house.rows("state") == ["sending"] * 16
    lane.tend()
    assert lane.occupied == 16, "it is quick still"
    taught(lane, 10.0)
    lane.tend()
    await eventually(lambda: lane.occupied == 4)
    assert sorted(house.rows("state, attempts")) == [("sending", 1)] * 4 + [("waiting", 0)] * 12
    may_end.set()
    await house.later(3)
    assert set(house.rows("state, attempts")) == {("delivered", 1)}
