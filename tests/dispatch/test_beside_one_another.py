"""What lanes need again and again waits for nothing else of it: shares of a rate, stuck workers, outcomes, releases, the poll."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.dispatch import dispatcher
from gateway.dispatch.lane import Lane
from gateway.errors import ItemRefused, StoreUnavailable
from gateway.follow_up import Done
from gateway.model import Delivery
from gateway.store.store import Store
from tests.patience import eventually

from .conftest import Build, House, Scripted, event, forever, policy
from .follow_up_kit import COPY, routes

FOR_EVER = "for ever"


async def end_without(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Close it without five seconds for the last outcome, which never comes."""
    monkeypatch.setattr(dispatcher, "LAST_WRITES_SECONDS", 0.05)
    await house.close(0.05)


def answers_with(monkeypatch: pytest.MonkeyPatch, method: str, what: Exception | str) -> list[str]:
    """The store answers so to this, always; how often it was asked."""
    asked: list[str] = []

    def answer(*_: Any, **__: Any) -> Any:
        asked.append(method)
        if isinstance(what, Exception):
            raise what
        return asyncio.get_running_loop().create_future()  # that nobody resolves

    monkeypatch.setattr(Store, method, answer)
    return asked


@pytest.mark.parametrize("method", ["gates", "due", "sinks"])
@pytest.mark.parametrize("what", [FOR_EVER, StoreUnavailable("away")], ids=["hangs", "fails"])
async def test_shares_of_a_rate_are_renewed_whatever_the_poll_does(
    build: Build, monkeypatch: pytest.MonkeyPatch, method: str, what: Exception | str
) -> None:
    monkeypatch.setattr(Store, "shared", property(lambda self: True))  # as on PostgreSQL
    house = await build(Scripted(), delivery={"rate": "10/s"})
    asked = answers_with(monkeypatch, method, what)
    await house.later(10)
    assert asked
    await house.later(60)  # a share ends after ten seconds
    await house.put(event(1), event(2))
    await eventually(lambda: house.rows() == ["delivered"] * 2)


async def test_a_poll_is_not_late_behind_a_count_that_hangs(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    house = await build(Scripted())
    asked = answers_with(monkeypatch, "sinks", FOR_EVER)
    await house.later(10)
    assert asked
    await house.fill(2)  # and nobody is told of them
    await house.later(3)
    await eventually(lambda: house.rows() == ["delivered"] * 2)


async def test_a_stuck_worker_is_replaced_while_the_store_cannot_be_read(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(delivery: Delivery) -> None:
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue  # a plugin that does not let itself be stopped

    end = asyncio.Event()
    sink = Scripted("app", stuck)
    house = await build(sink, app=policy(timeout="10ms", concurrency=1))
    answers_with(monkeypatch, "gates", StoreUnavailable("away"))
    await house.put(event(1))
    await eventually(lambda: sink.seen)
    [lane] = house.dispatcher.lanes.values()
    [dispatch] = lane.workers.under_way()
    await eventually(lambda: dispatch.silence is not None and dispatch.silence.expired)
    assert dispatch.silence is not None
    dispatch.silence.at -= 60  # the loop's clock, as if that had passed since it was cut off
    await house.later(3)
    await eventually(lambda: house.attempts("outcome") == ["retry"])
    end.set()


async def test_one_lane_that_cannot_take_the_polls_news_leaves_them_to_the_others(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_poll = Lane.note_poll

    def fails(lane: Lane, *news: Any) -> None:
        if lane.sink.name == "a":
            raise RuntimeError("a bug of ours")
        note_poll(lane, *news)

    monkeypatch.setattr(Lane, "note_poll", fails)
    house = await build(Scripted("a"), Scripted("b"))
    with capture_logs():
        await house.put(event(1), to=["b"], reserve=False)
        await house.later(6)
    await eventually(lambda: house.rows() == ["delivered"])


async def test_outcomes_are_written_beside_follow_ups_and_releases_that_wait_for_ever(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def follows(delivery: Delivery) -> Any:
        return Done("copied", [COPY]) if delivery.event.id == event(1).id else "done"

    house = await build(Scripted("app", follows), decide=routes())
    asked = answers_with(monkeypatch, "settle_with", FOR_EVER)
    await house.put(event(1))
    await eventually(lambda: asked)
    await house.put(event(2), event(3))
    await eventually(lambda: house.rows() == ["sending", "delivered", "delivered"])
    await end_without(house, monkeypatch)


@pytest.mark.parametrize("error", [ItemRefused("never"), StoreUnavailable("away"), RuntimeError("a bug")], ids=repr)
async def test_outcomes_are_written_beside_a_release_that_is_refused(
    build: Build, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    sink = Scripted("app", forever)
    house = await build(sink, Scripted("well"), app=policy(concurrency=1))
    await house.put(*[event(number) for number in range(3)], to=["app"])
    await eventually(lambda: sink.seen)  # one is sent, one waits in hand
    asked = answers_with(monkeypatch, "release", error)
    [lane] = [lane for name, lane in house.dispatcher.lanes.items() if name == "app"]
    lane.slots.stopping = True
    lane.slots.put_back()
    with capture_logs() as logs:
        await eventually(lambda: asked)
        await house.put(event(7), to=["well"])
        await eventually(lambda: "delivered" in house.rows("state", "sink = 'well'"))
    if isinstance(error, ItemRefused):  # it is left to its lease, and its slot is free
        await eventually(lambda: len(lane.slots.leased) == 1)
        assert "release_refused" in [line["event"] for line in logs]
    lane.slots.stopping = False
    await end_without(house, monkeypatch)
