"""A long delivery ends when it is told to, and whoever carries it next goes on where it was; a lost one changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway import Retry, Stopping
from gateway.errors import StoreUnavailable, Unavailable
from gateway.model import Delivery
from tests.dispatch.conftest import Build, Scripted, event, policy
from tests.dispatch.copy_sink import LONG, CopySink, kept
from tests.patience import PATIENCE_S, eventually


@pytest.mark.plain_rows
async def test_at_the_stop_it_is_told_and_handed_over_at_once_unburnt(build: Build) -> None:
    sink = CopySink()
    house = await build(sink, app=policy(**LONG))
    await house.put(event(1))
    await sink.step(2)
    closing = asyncio.create_task(house.close(grace=30.0))
    await asyncio.sleep(0)
    sink.may_go.release()
    async with asyncio.timeout(PATIENCE_S):
        await closing
    house.dropped = True
    assert [type(error) for error in sink.ended] == [Stopping]
    assert house.rows("state, attempts, due_at") == [("waiting", 0, house.clock.ms())]
    assert kept(house) == {"offset": 3}  # what it brought with its last word too
    assert house.attempts("outcome, detail") == [("retry", "handed over: the gateway stopped")]


@pytest.mark.parametrize(
    "answer",
    [lambda: Retry("stopped", memo={"offset": 9}, service=True), lambda: Unavailable("stopped"), lambda: OSError("x")],
    ids=["retry", "unavailable", "other"],
)
@pytest.mark.plain_rows
async def test_whatever_a_sink_makes_of_being_stopped_it_is_handed_over(
    build: Build, answer: Callable[[], Exception]
) -> None:
    going = asyncio.Event()

    async def script(delivery: Delivery) -> None:
        await delivery.alive({"offset": 1})
        going.set()
        try:
            while True:
                await asyncio.sleep(0.001)
                await delivery.alive()
        except Stopping as stopping:
            raise answer() from stopping

    house = await build(Scripted("app", script), app=policy(**LONG))
    await house.put(event(1))
    await going.wait()
    await house.close(grace=5.0)
    house.dropped = True
    assert house.rows("state, attempts") == [("waiting", 0)]
    assert kept(house) in ({"offset": 1}, {"offset": 9})
    assert house.gate()[0] is None if house._read("SELECT 1 FROM sinks") else True  # nothing is said of the sink


async def test_one_that_finishes_when_it_is_told_is_delivered(build: Build) -> None:
    going = asyncio.Event()

    async def script(delivery: Delivery) -> str:
        going.set()
        try:
            while True:
                await asyncio.sleep(0.001)
                await delivery.alive()
        except Stopping:
            return "it was the last byte"

    house = await build(Scripted("app", script), app=policy(**LONG))
    await house.put(event(1))
    await going.wait()
    await house.close(grace=5.0)
    house.dropped = True
    assert house.attempts("outcome, detail") == [("delivered", "it was the last byte")]


async def test_a_plugin_that_raises_stopping_by_itself_has_failed_like_any_other(build: Build) -> None:
    async def script(delivery: Delivery) -> None:
        raise Stopping("so there")

    house = await build(Scripted("app", script), app=policy(**LONG))
    await house.put(event(1))
    await house.calm()
    assert house.rows("state, attempts") == [("waiting", 1)]
    assert "though nobody asked it to stop" in house.attempts("detail")[0]


async def test_where_the_lease_is_lost_it_ends_and_changes_nothing(build: Build) -> None:
    sink = CopySink()
    house = await build(sink, app=policy(**LONG))
    await house.put(event(1))
    await sink.step(2)
    house.write("UPDATE deliveries SET token = token + 1, memo = '{\"offset\": 7}', owner = 'another'")
    sink.may_go.release()
    await eventually(lambda: sink.ended)
    await eventually(lambda: house.counted("app", "lost") == 1)
    assert isinstance(sink.ended[0], Stopping)
    assert house.rows("state, token, owner") == [("sending", 2, "another")]
    assert kept(house) == {"offset": 7}


@pytest.mark.plain_rows
async def test_a_store_that_is_away_is_waited_for_as_long_as_the_lease_lasts(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = CopySink()
    house = await build(sink, app=policy(timeout="60s"))
    await house.put(event(1))
    await sink.step()
    keep = house.store.keep_alive
    away = True

    def refuse(*given: Any) -> Any:
        if away:
            raise StoreUnavailable("away")
        return keep(*given)

    monkeypatch.setattr(house.store, "keep_alive", refuse)
    sink.may_go.release()
    await house.later(30.0)
    assert sink.offsets == [1]
    away = False
    await house.later(2.0)
    await eventually(lambda: sink.offsets == [1, 2])
    assert kept(house) == {"offset": 2}
    away = True
    sink.may_go.release()
    await house.later(100.0)  # past the lease of 90 s
    await eventually(lambda: sink.ended)
    assert isinstance(sink.ended[0], Stopping)


async def test_a_reload_hands_it_over_to_the_new_lane(build: Build) -> None:
    old, new = CopySink(), CopySink()
    house = await build(old, app=policy(**LONG))
    await house.put(event(1))
    await old.step(2)
    lanes = await house.dispatcher.prepare({"app": new}, {"app": policy(**LONG)})
    house.dispatcher.swap(lanes, [], 30.0)
    assert house.dispatcher.retiring == 1  # and nobody waited for it
    old.may_go.release()
    await eventually(lambda: not house.dispatcher.retiring)
    await house.later(2.0)
    await new.step()
    assert [delivery.memo for delivery in new.seen] == [{"offset": 3}]
    assert house.rows("attempts") == [1]  # that it was handed over is no attempt
