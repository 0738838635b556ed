"""Two gateways on one PostgreSQL: they share the work, and each honours what the other found out."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from tenacity import wait_exponential

from gateway.dispatch import circuit
from gateway.errors import Retry, Unavailable
from gateway.model import Delivery
from gateway.runtime.clock import Clock
from tests.patience import eventually

from .conftest import House, Scripted, event, raising


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
    await eventually(lambda: len(one.seen) + len(two.seen) >= 300)
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
    assert second.dispatcher.reserve("app") is None
    assert two.seen == []


class Skewed(Clock):
    """A machine whose clock is an hour off."""

    def __init__(self, seconds: float) -> None:
        self._off = seconds

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._off)

    def ms(self) -> int:
        return super().ms() + round(self._off * 1000)


@pytest.mark.parametrize("off", [-3600, 3600])
async def test_a_gateway_whose_clock_is_an_hour_off_tries_again_in_time_and_gives_nothing_up(
    pair: Pair, off: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(circuit, "_RISING", wait_exponential(multiplier=0.2))
    answers: list[Any] = [Retry("busy"), Unavailable("gone"), None]

    async def script(delivery: Delivery) -> None:
        if answer := answers.pop(0):
            raise answer

    sink = Scripted("app", script)
    house = House(
        pair.url,
        sink,
        clock=Skewed(off),  # type: ignore[arg-type]
        store_clock=Clock(),
        delivery={"retry": {"initial": "10ms", "max": "10ms", "give_up_after": "30m"}},
    )
    pair.houses.append(house)
    await house.open()
    await house.fill(1)  # as if another gateway had left it
    await eventually(lambda: len(sink.seen) == 3)
    await eventually(lambda: house.counted("app", "delivered") == 1)


async def test_three_gateways_on_one_database_keep_the_one_rate_of_a_sink(pair: Pair) -> None:
    sinks = [Scripted("chat") for _ in range(3)]
    first = await pair.add(sinks[0], delivery={"rate": "8/s"}, owner="a")
    await first.fill(40)
    sent: list[float] = []

    async def note(delivery: Delivery) -> None:
        sent.append(asyncio.get_running_loop().time())

    for sink in sinks:
        sink.script = note
    for sink, owner in zip(sinks[1:], "bc", strict=True):
        await pair.add(sink, delivery={"rate": "8/s"}, owner=owner)
    first.dispatcher.wake("chat")
    await eventually(lambda: len(sent) >= 12)
    for at in sent:
        assert sum(1 for other in sent if at <= other < at + 0.95) <= 8
