"""How much a lane has in hand follows what its sink carries in half a second."""

from __future__ import annotations

import pytest

from gateway.dispatch.slots import HELD_ROUNDS_MAX

from .conftest import Build, Scripted, event, eventually


async def test_a_quick_sink_has_more_in_hand_and_a_slow_one_twice_what_it_carries(build: Build) -> None:
    house = await build(Scripted("app"), delivery={"concurrency": 4})
    slots = house.dispatcher.lanes["app"].slots
    assert (slots.limit, slots.threshold) == (8, 4)
    for number in range(60):
        await house.put(event(number))
    await eventually(lambda: (slots.limit, slots.threshold) == (4 * HELD_ROUNDS_MAX, 4 * HELD_ROUNDS_MAX // 2))
    for _ in range(40):
        slots.note_attempt(10.0)
    assert (slots.limit, slots.threshold) == (8, 4)


@pytest.mark.parametrize("options", [{"rate": "1000/s"}, {"batch": {"max": 3, "window": "1s"}}], ids=["rate", "batch"])
async def test_where_a_rate_or_a_batch_says_how_much_that_stays(build: Build, options: object) -> None:
    house = await build(Scripted("app"), delivery=options)
    slots = house.dispatcher.lanes["app"].slots
    held = (slots.limit, slots.threshold)
    for _ in range(40):
        slots.note_attempt(0.001)
    assert (slots.limit, slots.threshold) == held
