"""What lanes do beside the way of an event may fail, and holds nothing up: rates, erasures, words of a long delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.dispatch.erasure_notices import RETRY_SECONDS
from gateway.errors import ItemRefused, Retry, Stopping, StoreUnavailable
from gateway.model import Delivery, Erased
from gateway.store.store import Store
from tests.patience import PATIENCE_S, eventually

from .conftest import Build, House, Scripted, event, policy
from .test_pulled import Fetched, give, lane_of

LONG = {"timeout": "10s", "retry": {"initial": "1s", "max": "1s"}}


def fails(monkeypatch: pytest.MonkeyPatch, method: str, *errors: Exception) -> None:
    """The store answers so to the first calls."""
    work, left = getattr(Store, method), list(errors)

    def answers(self: Store, *arguments: Any, **more: Any) -> Any:
        if left:
            raise left.pop(0)
        return work(self, *arguments, **more)

    monkeypatch.setattr(Store, method, answers)


async def test_shares_of_a_rate_that_are_not_to_be_had_are_asked_for_again(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "shared", property(lambda self: True))  # as on PostgreSQL
    away = StoreUnavailable("away")
    fails(monkeypatch, "share_rates", away, away, away)
    fails(monkeypatch, "leave_rates", away)
    sink = Scripted()
    with capture_logs() as logs:
        house = await build(sink, delivery={"rate": "10/s"})
        await house.put(event(1), reserve=False)
        for _ in range(60):
            await house.later(1)
            if sink.seen:
                break
        assert house.rows() == ["delivered"]
        await house.close(0.05)
    said = [line["event"] for line in logs]
    assert (said.count("background_failed"), said.count("rates_not_left")) == (1, 1)


async def test_erasures_that_cannot_be_read_are_told_later(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    class Keeping(Scripted):
        async def erased(self, events: Sequence[Erased]) -> None:
            told.extend(one.ref for one in events)

    told: list[str] = []
    sink = Keeping()
    house = await build(sink)
    ref = event(1).id
    await house.put(event(1))
    await eventually(lambda: house.rows() == ["delivered"])
    fails(monkeypatch, "erasures", StoreUnavailable("away"))
    with capture_logs() as logs:
        house.write(f"INSERT INTO erasures (at, source, ref) VALUES (0, 'live', '{ref}')")
        await house.later(RETRY_SECONDS * 2 + 5)
        await eventually(lambda: told == [ref])
    assert [line["event"] for line in logs if line["event"].startswith("erasures")] == [
        "erasures_not_told",
        "erasures_told",
    ]


async def spoken(build: Build, say: Any, **options: Any) -> House:
    """A delivery whose sink says this while it is carried."""

    async def script(delivery: Delivery) -> str:
        await say(delivery)
        return "done"

    house = await build(Scripted("app", script), app=policy(**LONG, **options))
    await house.put(event(1))
    await eventually(lambda: house.rows() == ["delivered"])
    return house


async def test_a_memo_that_the_database_refuses_is_the_sinks_mistake(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(monkeypatch, "keep_alive", ItemRefused("a letter that it does not know"))

    async def say(delivery: Delivery) -> None:
        with pytest.raises(ValueError, match="the database refuses this memo"):
            await delivery.alive({"offset": 1})
        wrong: Any = 7
        with pytest.raises(ValueError, match=r"progress is a int, not a gateway\.Progress"):
            await delivery.alive(progress=wrong)

    await spoken(build, say)


async def test_whoever_speaks_after_the_end_is_told_that_it_is_over(build: Build) -> None:
    late: list[Delivery] = []

    async def say(delivery: Delivery) -> None:
        late.append(delivery)

    await spoken(build, say)
    with pytest.raises(Stopping, match="no longer carried"):
        await late[0].alive({"offset": 1})


async def test_a_suspect_that_gets_on_lets_the_others_go_beside_it(build: Build) -> None:
    """A long delivery that a process died with is alone at first; its first word says that it is not what kills."""
    begun, end = asyncio.Event(), asyncio.Event()

    async def script(delivery: Delivery) -> str:
        if delivery.event.id == event(1).id:
            begun.set()
            await end.wait()
            await delivery.alive({"offset": 1})
            await asyncio.wait_for(others.wait(), PATIENCE_S)
        else:
            others.set()
        return "done"

    async def never(delivery: Delivery) -> str:
        begun.set()
        await asyncio.Event().wait()
        raise Retry("never")

    others = asyncio.Event()
    house = await build(Scripted("app", never), delivery=LONG)
    await house.put(event(1))
    await begun.wait()
    await house.drop()
    begun.clear()
    again = await build(Scripted("app", script), owner="next", app=policy(**LONG))
    while not begun.is_set():
        await again.later(1)
    await again.put(event(2))
    await again.calm()
    assert not others.is_set()
    end.set()
    await eventually(lambda: again.rows() == ["delivered"] * 2)


async def test_a_lease_that_cannot_be_given_back_ends_and_comes_again(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a pull sink: what was leased for an answer that nobody hears."""
    house = await build(Fetched())
    await house.put(event(1))
    lane = lane_of(house)
    given = await give(house)
    fails(monkeypatch, "release", StoreUnavailable("away"))
    with capture_logs() as logs:
        await lane.give_back(given)
    assert [line["event"] for line in logs] == ["lease_not_returned"]
    assert await lane.peek(5) == []
    house.clock.advance(61)
    (again,) = await give(house)
    assert again.event == event(1)
    assert (await lane.give_back([again]), [one.event for one in await lane.peek(5)]) == (None, [event(1)])
