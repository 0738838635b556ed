"""Bursts through the real dispatcher: nothing is lost, and no service refuses for its rate."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from gateway import RECORDING_FAILED, Http
from gateway.assembly import delivery_policy
from gateway.config.grammar.settings import DeliverySettings
from gateway.fields import parse_rate
from gateway.testing import FrozenClock
from plugins.sinks.chat import Chat
from plugins.sinks.chat.chat_service import service
from plugins.sinks.chat.options import ChatOptions
from tests.dispatch import conftest as dispatch
from tests.sinks.chat.many import shown

from .conftest import ALL, YES, options, within

# -- through the dispatcher


class Theirs:
    """A service that punishes whoever passes its limits, in simulated time; it says no as the real one does."""

    def __init__(self, name: str, clock: FrozenClock) -> None:
        self.name = name
        self.clock = clock
        self.times: list[float] = []
        self.bodies: list[bytes] = []
        self.refused = 0
        self.unwanted: bytes | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        now = self.clock.monotonic()
        self.times.append(now)
        for count, seconds in service(self.name).allows:
            if sum(at > now - seconds for at in self.times) > count:
                self.refused += 1
                return httpx.Response(429)
        body = await request.aread()
        within(self.name, body)
        if self.unwanted is not None and self.unwanted in body:
            return httpx.Response(200, json={"errcode": 40058, "errmsg": "no"})
        self.bodies.append(body)
        yes = YES[self.name]
        return httpx.Response(yes.status, content=yes.body)


class Burst:
    """A chat sink with default limits behind the real dispatcher and store."""

    def __init__(self, name: str, folder: Path, **delivery: Any) -> None:
        self.clock = FrozenClock()
        self.theirs = Theirs(name, self.clock)
        made = ChatOptions.model_validate(options(name))
        self.http = Http(clock=self.clock, transport=httpx.MockTransport(self.theirs))
        self.sink = Chat("chat", made, http=self.http, log=structlog.get_logger())
        self.rate = parse_rate(Chat.usual_rate(made))
        policy = delivery_policy(DeliverySettings.model_validate({"rate": str(self.rate), **delivery}))
        url = f"sqlite:///{folder / 'gateway.db'}"
        self.house = dispatch.House(url, self.sink, clock=self.clock, chat=policy)

    async def __aenter__(self) -> Burst:
        await self.house.open()
        await self.house.calm()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.house.close(0.05)
        await self.http.close()

    async def all_delivered(self, count: int, within: float) -> None:
        waited = 0.0
        step = min(float(self.rate.seconds), 5.0)
        while self.house.rows() != ["delivered"] * count:
            assert waited < within, self.house.rows("state, attempts")
            await self.house.later(step, step=step)
            waited += step


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[lambda *given: ""])
    yield
    structlog.reset_defaults()


def burst(count: int, streams: int = 10) -> Sequence[Any]:
    return [dispatch.event(number, stream=f"room{number % streams}-{number:04}") for number in range(count)]


@pytest.mark.wide
@pytest.mark.parametrize("name", ALL)
async def test_a_burst_of_200_in_batches_loses_nothing_and_is_never_refused_for_its_rate(
    name: str, tmp_path: Path
) -> None:
    async with Burst(name, tmp_path, batch={"max": 20, "window": "30s"}) as it:
        for one in burst(200):
            await it.house.put(one)
        await it.all_delivered(200, 300)
        assert it.theirs.refused == 0
        assert len(it.theirs.bodies) <= 20
        assert it.house.rows("attempts") == [1] * 200
        seen: dict[str, list[str]] = defaultdict(list)
        for body in it.theirs.bodies:
            for room, number in re.findall(r"(room\d)-(\d{4})", shown(body)):
                seen[room].append(number)
            assert all(numbers == sorted(numbers) for numbers in seen.values()), "the order of a stream"
        assert sorted(number for numbers in seen.values() for number in numbers) == [f"{n:04}" for n in range(200)]


@pytest.mark.wide
@pytest.mark.parametrize("name", ["feishu", "dingtalk", "discord", "telegram", "slack"])
async def test_a_burst_of_200_singly_loses_nothing_and_is_never_refused_for_its_rate(name: str, tmp_path: Path) -> None:
    async with Burst(name, tmp_path) as it:
        for one in burst(200):
            await it.house.put(one)
        await it.all_delivered(200, 1200)
        assert it.theirs.refused == 0
        assert len(it.theirs.bodies) == 200


async def test_a_huge_batch_is_never_refused_for_its_rate_either(tmp_path: Path) -> None:
    async with Burst("wecom", tmp_path, batch={"max": 1000, "window": "5s"}) as it:
        await it.house.put(*burst(900))
        await it.all_delivered(900, 3600)
        assert it.theirs.refused == 0


async def test_a_failed_recording_is_not_held_back_by_a_batch(tmp_path: Path) -> None:
    async with Burst("dingtalk", tmp_path, batch={"max": 20, "window": "1h"}) as it:
        await it.house.put(dispatch.event(1))
        await it.house.later(5)
        assert it.theirs.bodies == []
        await it.house.put(dispatch.event(2, type=RECORDING_FAILED, stream="broken"))
        await it.all_delivered(2, 1)
        [body] = it.theirs.bodies
    assert "broken" in shown(body)


async def test_one_that_the_service_will_not_have_does_not_take_its_batch_with_it(tmp_path: Path) -> None:
    async with Burst("wecom", tmp_path, batch={"max": 5, "window": "5s"}, retry={"initial": "1s"}) as it:
        it.theirs.unwanted = b"poison"
        for number in range(5):
            await it.house.put(dispatch.event(number, stream="poison" if number == 2 else f"good{number}"))
        await it.house.later(200, step=2)
        assert sorted(it.house.rows("state")) == ["dead"] + ["delivered"] * 4
