"""The machine's clock is set while deliveries are under way: none dies of it, and none stands still."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import Retry
from gateway.model import Delivery
from tests.dispatch.conftest import Build, Scripted, event, raising
from tests.patience import eventually

DAY = 86_400.0
HASTY = {"retry": {"initial": "10s", "max": "10s", "give_up_after": "1h"}}


@pytest.mark.parametrize("seconds", [30 * DAY, -2700.0])
async def test_a_jump_does_not_use_up_the_time_to_give_up_of_what_waits(build: Build, seconds: float) -> None:
    sink = Scripted("app", raising(lambda: Retry("no")))
    house = await build(sink, delivery=HASTY)
    await house.put(event(1))
    await house.later(30)
    house.clock.jump(seconds)
    tried = len(sink.seen)
    await house.later(60)
    assert len(sink.seen) > tried
    assert house.rows() == ["waiting"]
    await house.later(3600, step=20)
    assert house.rows() == ["dead"]


async def test_a_jump_does_not_use_up_the_time_to_give_up_of_what_is_under_way(build: Build) -> None:
    gate = asyncio.Event()

    async def fail(delivery: Delivery) -> None:
        await gate.wait()
        raise Retry("no")

    sink = Scripted("app", fail)
    house = await build(sink, delivery=HASTY)
    await house.put(event(1))
    await eventually(lambda: len(sink.seen) == 1)
    house.clock.jump(30 * DAY)
    gate.set()
    await eventually(lambda: house.rows() == ["waiting"])
