"""`delivery.batch` with a window of nothing: what waits right now goes together, and nobody waits for company."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.dispatch.slots import JOINED_SLOTS_MAX
from gateway.errors import Refused, Retry
from gateway.model import Delivery
from tests.dispatch.conftest import Batching, Build, event
from tests.patience import PATIENCE_S, eventually

AT_ONCE: dict[str, Any] = {"batch": {"max": 50, "window": "0s"}, "concurrency": 1}


class Gated(Batching):
    """Its first call waits until the test lets it go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

        async def wait(given: Any) -> Any:
            await asyncio.wait_for(self.go.wait(), PATIENCE_S)
            return None if isinstance(given, Delivery) else [None] * len(given)

        self.script = self.together = wait


async def test_one_alone_goes_at_once_in_memory(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery=AT_ONCE)
    await house.put(event(1))
    await eventually(lambda: house.rows() == ["delivered"])
    assert [len(batch) for batch in sink.batches] == [1]
    assert house.rows("attempts, token") == [(1, 1)], "it was leased when it was stored: no claim"


async def test_what_came_while_a_call_was_under_way_goes_together_in_the_next(build: Build) -> None:
    sink = Gated()
    house = await build(sink, delivery=AT_ONCE)
    await house.put(event(0))
    await eventually(lambda: len(sink.batches) == 1)
    for number in range(1, 121):
        await house.put(event(number))
    sink.go.set()
    await eventually(lambda: house.rows() == ["delivered"] * 121)
    sizes = [len(batch) for batch in sink.batches]
    assert (sizes[:2], sum(sizes), max(sizes)) == ([1, 50], 121, 50)
    assert len(sizes) <= 6
    assert [id for batch in sink.batches for id in batch][:51] == [event(number).id for number in range(51)]


async def test_a_backlog_in_the_store_flows_in_large_batches(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery=AT_ONCE)
    ids = await house.fill(200)
    house.dispatcher.wake("app")
    await eventually(lambda: house.rows() == ["delivered"] * 200)
    assert sorted(id for batch in sink.batches for id in batch) == sorted(ids)
    assert len(sink.batches) <= 12


async def test_what_is_held_for_company_is_bounded(build: Build) -> None:
    sink = Gated()
    house = await build(sink, delivery={"batch": {"max": 1000, "window": "0s"}, "concurrency": 20})
    lane = house.dispatcher.lanes["app"]
    taken = 0
    while lane.reserve() is not None:
        taken += 1
    assert taken <= 2 * JOINED_SLOTS_MAX
    sink.go.set()


async def test_one_exception_for_several_is_a_refusal_of_them_together_and_the_next_time_each_goes_alone(
    build: Build,
) -> None:
    poison = event(3).id
    sink = Gated()

    async def some(given: Sequence[Delivery]) -> list[Any]:
        await asyncio.wait_for(sink.go.wait(), PATIENCE_S)
        if poison not in [delivery.event.id for delivery in given]:
            return [None] * len(given)
        together = Refused("HTTP 400", status=400)
        return ["taken", *[together] * (len(given) - 1)]

    async def one(given: Delivery) -> str | None:
        if given.event.id == poison:
            raise Refused("HTTP 400", status=400)
        return await gated(given)

    assert sink.script is not None
    gated, sink.script, sink.together = sink.script, one, some
    house = await build(sink, delivery=AT_ONCE)
    for number in range(7):
        await house.put(event(number))
    sink.go.set()
    await eventually(lambda: len(sink.batches) >= 2)
    for _ in range(12):
        await house.later(2)
    await eventually(lambda: sorted(house.rows()) == ["dead"] + ["delivered"] * 6)
    assert house.rows("reason", f"event = (SELECT seq FROM events WHERE id = '{poison}')") == ["refused"]
    assert [len(batch) for batch in sink.batches if poison in batch] == [6, 1]


async def test_a_rate_with_a_window_of_nothing_still_counts_calls(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery={**AT_ONCE, "rate": "2/m"})
    await house.fill(60)
    house.dispatcher.wake("app")
    await eventually(lambda: len(house.rows(where="state = 'delivered'")) == 60)
    assert [len(batch) for batch in sink.batches] == [50, 10]


@pytest.mark.parametrize("failure", [Retry("HTTP 503", service=True), Retry("later")])
async def test_members_that_are_each_told_to_wait_come_together_again(build: Build, failure: Retry) -> None:
    sink = Gated()
    house = await build(sink, delivery=AT_ONCE)
    await house.put(event(0))
    await eventually(lambda: len(sink.batches) == 1)
    for number in range(1, 6):
        await house.put(event(number))
    answers = iter([[failure] * 5])

    async def some(given: Sequence[Delivery]) -> list[Any]:
        return next(answers, [None] * len(given))

    sink.together = some
    sink.go.set()
    await eventually(lambda: len(sink.batches) == 2)
    for _ in range(8):
        await house.later(1)
    await eventually(lambda: house.rows() == ["delivered"] * 6)
    assert not house.dispatcher.lanes["app"].slots.alone
