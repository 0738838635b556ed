"""A delivery that takes hours says that it gets on: its lease, its memo and its stop, and that nothing else waits for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway import Done, FollowUp, Progress, Retry, Stopping
from gateway.errors import StoreUnavailable, Unavailable
from gateway.model import ARCHIVED, Delivery
from tests.dispatch.conftest import Batching, Build, House, Scripted, event, eventually, policy

LONG = {"timeout": "1h", "retry": {"initial": "10s"}}


class Copying(Scripted):
    """Counts up in steps, keeping how far it is; the test lets it make each step."""

    def __init__(self, name: str = "app", steps: int = 10) -> None:
        super().__init__(name)
        self.steps = steps
        self.may_go = asyncio.Semaphore(0)
        self.offsets: list[int] = []
        self.ended: list[BaseException | None] = []

    async def deliver(self, delivery: Delivery) -> Any:
        self.seen.append(delivery)
        offset = int(delivery.memo.get("offset", 0))
        try:
            while offset < self.steps:
                await self.may_go.acquire()
                await delivery.alive({"offset": offset + 1}, Progress(offset + 1, self.steps, f"step {offset + 1}"))
                offset += 1
                self.offsets.append(offset)
        except BaseException as error:
            self.ended.append(error)
            raise
        return Done(f"{offset} steps", [FollowUp(ARCHIVED)])

    async def step(self, count: int = 1) -> None:
        """Let it go on, and wait until what it keeps is kept."""
        wanted = len(self.offsets) + count
        for _ in range(count):
            self.may_go.release()
        await eventually(lambda: len(self.offsets) >= wanted)


def kept(house: House) -> Any:
    (memo,) = house.rows("memo")
    return memo and json.loads(memo)


async def test_what_it_keeps_is_durable_and_shown_while_it_goes_on(build: Build) -> None:
    sink = Copying()
    house = await build(sink, app=policy(**LONG))
    await house.put(event(1))
    await sink.step(3)
    assert house.rows("state, memo, progress") == [
        ("sending", '{"offset": 3}', '{"done": 3, "total": 10, "text": "step 3"}')
    ]
    assert house.value("alive", sink="app") == 1
    assert house.value("alive_bytes_total", sink="app") == 2  # from its first word on
    await sink.step(7)
    await eventually(lambda: house.rows() == ["delivered"])
    await house.calm()
    assert house.attempts("outcome, detail") == [("delivered", "10 steps")]
    assert house.value("alive", sink="app") == 0
    assert [one.type for one in house.followed] == [ARCHIVED]


async def test_after_a_kill_it_goes_on_where_its_memo_says(build: Build, database: str) -> None:
    first = Copying()
    house = await build(first, app=policy(**LONG))
    await house.put(event(1))
    await first.step(4)
    await house.drop()
    second = Copying()
    house = await build(second, app=policy(**LONG), clock=house.clock)
    await house.later(15.0)
    await second.step(6)
    await eventually(lambda: house.rows() == ["delivered"])
    assert (first.offsets, second.offsets) == ([1, 2, 3, 4], [5, 6, 7, 8, 9, 10])
    assert [delivery.memo for delivery in second.seen] == [{"offset": 4}]


async def test_what_gets_on_between_two_kills_is_never_the_one_that_kills(build: Build) -> None:
    """Seven processes die with nothing but this in flight; each kept a step more."""
    house, clock = None, None
    for number in range(1, 8):
        sink = Copying()
        house = await build(sink, app=policy(**LONG), **({} if clock is None else {"clock": clock}))
        clock = house.clock
        if number == 1:
            await house.put(event(1))
        await house.later(45.0, step=5.0)
        await sink.step()
        assert sink.offsets == [number]
        assert house.rows("losses, lone_losses") == [(0, 0)]
        await house.drop()
    assert house is not None
    assert house.rows("state") == ["sending"]


async def test_at_the_stop_it_is_told_and_handed_over_at_once_unburnt(build: Build) -> None:
    sink = Copying()
    house = await build(sink, app=policy(**LONG))
    await house.put(event(1))
    await sink.step(2)
    closing = asyncio.create_task(house.close(grace=30.0))
    await asyncio.sleep(0)
    sink.may_go.release()
    async with asyncio.timeout(5):
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
    sink = Copying()
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


async def test_a_store_that_is_away_is_waited_for_as_long_as_the_lease_lasts(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = Copying()
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


async def test_silence_is_what_the_timeout_bounds_and_each_word_begins_it_anew(build: Build) -> None:
    async def talking(delivery: Delivery) -> str:
        for _ in range(5):
            await asyncio.sleep(0.1)
            await delivery.alive()
        return "done"

    async def silent(delivery: Delivery) -> str:
        await delivery.alive({"offset": 1})
        await asyncio.sleep(5)
        return "never"

    talker, mute = Scripted("app", talking), Scripted("mute", silent)
    house = await build(talker, mute, delivery={"timeout": "300ms"})
    await house.put(event(1))
    await eventually(lambda: house.attempts("outcome") == ["delivered", "retry"])
    assert house.attempts("detail") == ["done", "no answer within 0.3 s"]
    assert house.rows("memo", "sink = 'mute'") == ['{"offset": 1}']


@pytest.mark.parametrize(
    ("memo", "said"),
    [
        ([1], "its memo is a list, not a mapping"),
        ({"x": object()}, "its memo is no JSON"),
        ({"x": float("inf")}, "its memo is no JSON"),
        ({"x": "y" * 70_000}, "its memo has 70009 characters of JSON, more than 65536"),
    ],
    ids=["list", "object", "infinite", "large"],
)
async def test_a_memo_that_cannot_be_kept_is_refused_where_it_is_said(build: Build, memo: Any, said: str) -> None:
    async def script(delivery: Delivery) -> str:
        await delivery.alive({"offset": 1})
        with pytest.raises(ValueError, match=said):
            await delivery.alive(memo)
        with pytest.raises(ValueError, match=r"progress\.done is -1"):
            await delivery.alive(progress=Progress(-1))
        raise Retry("later")

    house = await build(Scripted("app", script), app=policy(**LONG))
    await house.put(event(1))
    await eventually(lambda: house.attempts("detail") == ["later"])
    assert kept(house) == {"offset": 1}


async def test_a_word_without_news_is_not_written(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    writes = 0

    async def script(delivery: Delivery) -> str:
        for number in range(200):
            await delivery.alive(progress=Progress(number, 200))
        return "done"

    house = await build(Scripted("app", script), app=policy(**LONG))
    keep = house.store.keep_alive

    def count(*given: Any) -> Any:
        nonlocal writes
        writes += 1
        return keep(*given)

    monkeypatch.setattr(house.store, "keep_alive", count)
    await house.put(event(1))
    await eventually(lambda: house.rows() == ["delivered"])
    assert writes <= 1


async def test_the_lease_is_lengthened_before_it_ends(build: Build) -> None:
    sink = Copying()
    house = await build(sink, app=policy(timeout="60s"))
    await house.put(event(1))
    for _ in range(6):
        await sink.step()
        (due,) = house.rows("due_at")
        assert due == house.clock.ms() + 90_000
        await house.later(80.0, step=20.0)
    assert len(sink.seen) == 1  # nobody else was given it, though six leases have passed
    await sink.step(4)
    await eventually(lambda: house.rows() == ["delivered"])


async def test_nothing_else_waits_for_it(build: Build) -> None:
    """Neither the other deliveries of its sink, nor other sinks, nor an hour of polls."""
    long, other = Copying(), Scripted("other")
    house = await build(long, other, app=policy(timeout="1h", concurrency=2))
    await house.put(event(1), to=["app"])
    await long.step()
    long.steps = 0  # from here on its deliveries are short
    await house.fill(50, to=["app"])
    await house.fill(50, to=["other"])
    house.dispatcher.wake("app")
    house.dispatcher.wake("other")
    await eventually(lambda: len(house.rows("id", "state = 'delivered'")) == 100)
    assert house.rows("event", "state = 'sending'") == [1]


async def test_what_was_lost_with_it_can_be_tried_alone_beside_it(build: Build) -> None:
    """It was in flight when a process died, so it goes alone first; once it gets on, another may."""
    long, other = Copying(), Scripted("other")
    house = await build(long, other, app=policy(**LONG), other=policy(**LONG))
    await house.put(event(1), hand=False)
    house.write("UPDATE deliveries SET losses = 1")
    house.dispatcher.wake("app")
    await eventually(lambda: long.seen)
    await long.step()
    assert not house.dispatcher._shared.isolation.taken
    house.dispatcher.wake("other")
    await house.later(5.0)
    await eventually(lambda: other.seen)
    assert long.offsets == [1]


async def test_a_probe_that_gets_on_closes_the_circuit(build: Build) -> None:
    sink = Copying()
    house = await build(sink, app=policy(**LONG))
    await house.store.trip("app", 1000, "down")
    await house.put(event(1), event(2), hand=False)
    house.dispatcher.wake("app")
    await house.later(3.0)
    await eventually(lambda: len(sink.seen) == 1)
    await sink.step()
    await house.later(2.0)
    assert house.gate()[0] is None
    await eventually(lambda: len(sink.seen) == 2)


async def test_a_reload_hands_it_over_to_the_new_lane(build: Build) -> None:
    old, new = Copying(), Copying()
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


async def test_each_of_a_batch_keeps_its_own_memo(build: Build) -> None:
    sink = Batching("app")

    async def together(deliveries: Sequence[Delivery]) -> Sequence[Any]:
        for number, delivery in enumerate(deliveries):
            await delivery.alive({"mine": number})
        return [Retry("later") for _ in deliveries]

    sink.together = together
    house = await build(sink, delivery={"batch": {"max": 3, "window": "1s"}})
    await house.put(*[event(number) for number in range(1, 4)], hand=False)
    house.dispatcher.wake("app")
    await house.later(2.0)
    await eventually(lambda: len(house.attempts()) == 3)
    assert [json.loads(memo) for memo in house.rows("memo")] == [{"mine": 0}, {"mine": 1}, {"mine": 2}]


async def test_a_delivery_made_by_hand_is_alive_without_a_gateway() -> None:
    """So that a sink can be tested as it is."""
    from gateway.testing import delivery

    await delivery().alive({"offset": 1}, Progress(1, 2, "half"))
