"""What a process died with is never sent before that is noted: else it could kill again and again, and nobody would count."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import structlog

from gateway.dispatch.retry import LONE_SUSPECTS_MAX
from gateway.errors import StoreUnavailable
from gateway.model import Delivery
from gateway.store.store import Store
from tests.patience import eventually

from .conftest import Batching, Build, House, Scripted, event, forever

SOON = {"retry": {"initial": "1s", "max": "1s"}}


def failing(monkeypatch: pytest.MonkeyPatch, method: str, times: int) -> list[int]:
    """The store does not note it, so many times; the list says how many are left."""
    work, left = getattr(Store, method), [times]

    def fails(self: Store, *arguments: Any, **more: Any) -> Any:
        if not left[0]:
            return work(self, *arguments, **more)
        left[0] -= 1
        raise StoreUnavailable("the disk is away")

    monkeypatch.setattr(Store, method, fails)
    return left


async def died_with(build: Build, *numbers: int) -> House:
    """A gateway whose process is gone, with these in flight."""
    house = await build(Scripted("app", forever))
    await house.put(*map(event, numbers))
    await house.calm()
    await house.drop()
    return house


async def test_it_waits_until_it_can_be_noted_that_it_goes_alone(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    await died_with(build, 1)
    left = failing(monkeypatch, "begin_suspected", 2)
    sink = Scripted("app")
    with structlog.testing.capture_logs() as logs:
        again = await build(sink, owner="next", delivery=SOON)
        for _ in range(60):
            await again.later(1)
            assert not sink.seen or not left[0]
            if again.rows() == ["delivered"]:
                break
    assert again.rows("state, losses") == [("delivered", 0)]
    assert [one["sink"] for one in logs if one["event"] == "loss_not_noted"] == ["app"] * 2


async def test_one_that_arrived_is_delivered_though_that_it_survived_is_not_noted(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    await died_with(build, 1)
    failing(monkeypatch, "survived", 1)
    with structlog.testing.capture_logs() as logs:
        again = await build(Scripted("app"), owner="next", delivery=SOON)
        for _ in range(60):
            await again.later(1)
            if again.rows() == ["delivered"]:
                break
    assert again.rows() == ["delivered"]
    assert [one["event"] for one in logs if "not_noted" in one["event"]] == ["loss_not_noted"]


async def test_while_one_is_alone_the_next_suspect_waits_for_its_turn(build: Build) -> None:
    await died_with(build, 1, 2, 3)
    first, second = Batching("app"), Batching("other")
    again = await build(first, second, owner="next", delivery=SOON)
    for _ in range(200):
        await again.later(1, step=0.5)
        if set(again.rows()) == {"delivered"}:
            break
    assert again.rows("state, losses, alone") == [("delivered", 0, 0)] * 3
    assert all(len(together) == 1 for together in first.batches), "none goes beside another"
    await eventually(lambda: not first.under_way)


async def test_of_very_many_suspects_each_goes_in_company_once_more(build: Build) -> None:
    """Because alone, one after the other, they would take hours, and nearly all of them are innocent."""
    count = LONE_SUSPECTS_MAX + 2
    house = await build(Scripted("app", forever), delivery={"concurrency": count})
    await house.put(*map(event, range(count)))
    await house.calm()
    await house.drop()
    most = 0

    async def script(_: Delivery) -> None:
        nonlocal most
        most = max(most, sink.under_way)
        await asyncio.sleep(0)

    sink = Scripted("app", script)
    again = await build(sink, owner="next", delivery={**SOON, "concurrency": count})
    for _ in range(200):
        await again.later(1)
        if set(again.rows()) == {"delivered"}:
            break
    assert again.rows("state, losses") == [("delivered", 0)] * count
    assert most > 1
