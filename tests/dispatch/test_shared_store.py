"""Two gateways on one PostgreSQL: they share the work, and each honours what the other found out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.clock import Clock
from gateway.errors import Unavailable
from gateway.model import Delivery

from .conftest import House, Scripted, event, eventually, raising


class Pair:
    """Two gateways; the clock is the server's, so time is real here."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.houses: list[House] = []

    async def add(self, *sinks: Scripted, **options: Any) -> House:
        house = House(self.url, *sinks, clock=Clock(), **options)  # type: ignore[arg-type]
        self.houses.append(house)
        return await house.open()


@pytest.fixture
async def pair(postgres_url: str) -> AsyncIterator[Pair]:
    made = Pair(postgres_url)
    yield made
    for house in made.houses:
        await house.close(0.05)


async def test_two_gateways_share_the_work_and_nothing_is_sent_twice(pair: Pair) -> None:
    async def work(delivery: Delivery) -> None:
        await asyncio.sleep(0.002)

    one, two = Scripted("app", work), Scripted("app", work)
    first = await pair.add(one)
    ids = await first.fill(300)
    second = await pair.add(two)
    first.dispatcher.wake("app")
    await eventually(lambda: len(one.seen) + len(two.seen) >= 300, within=30)
    for house in (first, second):
        await house.calm()
    assert Counter(one.ids + two.ids) == Counter(ids)
    assert one.seen
    assert two.seen


async def test_a_gateway_carries_only_for_sinks_it_has(pair: Pair) -> None:
    app, ops = Scripted("app"), Scripted("ops")
    first, _ = await pair.add(app), await pair.add(ops)
    await first.put(event(1), to=["app", "ops"])
    await eventually(lambda: len(app.seen) == len(ops.seen) == 1)


async def test_a_circuit_that_one_gateway_opened_stops_the_other(pair: Pair) -> None:
    one, two = Scripted("app", raising(lambda: Unavailable("revoked"))), Scripted("app")
    first, second = await pair.add(one), await pair.add(two)
    await first.calm()
    await first.put(event(1))
    await eventually(lambda: first.value("circuit_open", sink="app") == 1)
    await eventually(lambda: second.value("circuit_open", sink="app") == 1)
    assert second.dispatcher.reserve("app", None) is None
    assert two.seen == []
