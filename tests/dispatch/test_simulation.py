"""Days of bad luck in a second: whatever happens in whatever order, in the end everything has arrived."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from gateway.errors import Refused, Retry, Unavailable
from gateway.model import FILE_COMPLETED, RECORDING_FAILED, Delivery
from gateway.testing import FrozenClock
from tests.patience import eventually

from .conftest import Batching, Build, House, Scripted, event, policy


class Fate:
    """What the sinks do, drawn from one seed; `kind` is False in the end."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.cruel = True
        self.refused: set[tuple[str, str]] = set()
        self.delivered: dict[tuple[str, str], int] = defaultdict(int)
        self.flying: dict[str, set[str]] = defaultdict(set)

    def sink(self, name: str, cls: type[Scripted] = Scripted) -> Scripted:
        made = cls(name)

        async def script(delivery: Delivery) -> str:
            return await self.carry(name, delivery)

        made.script = script
        if isinstance(made, Batching):

            async def together(given: Any) -> list[Any]:
                if self.cruel and self.rng.random() < 0.3:
                    raise KeyError("the whole batch")
                return [await self.judged(script, delivery) for delivery in given]

            made.together = together
        return made

    async def judged(self, script: Any, delivery: Delivery) -> Any:
        try:
            return await script(delivery)
        except Exception as error:
            return error

    async def carry(self, name: str, delivery: Delivery) -> str:
        stream = delivery.event.subject
        if name == "ordered":
            assert stream not in self.flying[name], "two of a stream at once"
        self.flying[name].add(stream)
        try:
            for _ in range(self.rng.randrange(3)):
                await asyncio.sleep(0)
            if self.cruel:
                await self.trouble(name, delivery)
        finally:
            self.flying[name].discard(stream)
        self.delivered[name, delivery.event.id] += 1
        return "ok"

    async def trouble(self, name: str, delivery: Delivery) -> None:
        draw = self.rng.random()
        if draw < 0.02:
            self.refused.add((name, delivery.event.id))
            raise Refused("no")
        if draw < 0.05:
            raise Unavailable("down", timedelta(seconds=self.rng.randrange(100)))
        if draw < 0.25:
            raise Retry("502", status=502, service=True)
        if draw < 0.35:
            raise Retry("busy", timedelta(seconds=self.rng.randrange(30)), memo={"n": delivery.attempt})
        if draw < 0.45:
            raise self.rng.choice([KeyError("bug"), SystemExit(1), asyncio.CancelledError(), RecursionError()])
        if draw < 0.47:
            await asyncio.Event().wait()


POLICIES = {
    "plain": policy(timeout="20ms", concurrency=3),
    "ordered": policy(timeout="20ms", order="stream", concurrency=4),
    "rated": policy(timeout="20ms", rate="5/s", concurrency=2),
    "batched": policy(timeout="20ms", batch={"max": 4, "window": "5s"}, concurrency=2),
}


@pytest.mark.wide
@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 12))])
async def test_after_any_series_of_accidents_everything_has_arrived(build: Build, seed: int) -> None:
    fate = Fate(seed)
    rng = Random(seed + 1000)
    clock: FrozenClock | None = None
    house: House | None = None
    events: list[str] = []
    number = 0
    for _ in range(5):
        sinks = [fate.sink(name, Batching if name == "batched" else Scripted) for name in POLICIES]
        house = await build(*sinks, **POLICIES, **({"clock": clock} if clock else {}))
        clock = house.clock
        for _ in range(rng.randrange(4, 9)):
            some = []
            for _ in range(rng.randrange(6)):
                number += 1
                kind = RECORDING_FAILED if rng.random() < 0.1 else FILE_COMPLETED
                some.append(event(number, type=kind, stream=f"s{rng.randrange(3)}", at=clock.now()))
            await house.put(*some, reserve=rng.random() < 0.8)
            events += [one.id for one in some]
            await house.later(rng.choice([0.1, 1, 7]))
        if rng.random() < 0.5:
            await house.drop()
            fate.flying.clear()
        else:
            await house.close(0.01)
    assert house is not None
    assert clock is not None
    fate.cruel = False
    sinks = [fate.sink(name, Batching if name == "batched" else Scripted) for name in POLICIES]
    house = await build(*sinks, **POLICIES, clock=clock)
    await house.later(2000, step=5)
    await eventually(lambda: not house.rows("state", "state IN ('waiting', 'sending')"))
    wanted = {(name, id) for name in POLICIES for id in events}
    assert {key for key in wanted if not fate.delivered[key]} <= fate.refused
    assert house.rows("count(*)", "state = 'dead' and reason <> 'refused'") == [0]
    assert {"retry", "unavailable", "delivered"} <= set(house.attempts())
    for name, lane in house.dispatcher.lanes.items():
        assert not lane.slots.leased, name
        assert lane.occupied == 0, name
        assert lane.slots.pace is None or lane.slots.pace.free(clock.monotonic() + 10) == lane.slots.pace.count
