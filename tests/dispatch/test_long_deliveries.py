"""A delivery that takes hours says that it gets on: its lease, its memo, and that nothing else waits for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from gateway import Progress, Retry
from gateway.model import RECORDING_ARCHIVED, Delivery
from tests.dispatch.conftest import Batching, Build, Scripted, event, policy
from tests.dispatch.copy_sink import LONG, CopySink, kept
from tests.patience import eventually


@pytest.mark.plain_rows
async def test_what_it_keeps_is_durable_and_shown_while_it_goes_on(build: Build) -> None:
    sink = CopySink()
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
    assert [one.type for one in house.followed] == [RECORDING_ARCHIVED]


async def test_after_a_kill_it_goes_on_where_its_memo_says(build: Build, database: str) -> None:
    first = CopySink()
    house = await build(first, app=policy(**LONG))
    await house.put(event(1))
    await first.step(4)
    await house.drop()
    second = CopySink()
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
        sink = CopySink()
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


@pytest.mark.plain_rows
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
@pytest.mark.plain_rows
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
    sink = CopySink()
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
    long, other = CopySink(), Scripted("other")
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
    long, other = CopySink(), Scripted("other")
    house = await build(long, other, app=policy(**LONG), other=policy(**LONG))
    await house.put(event(1), reserve=False)
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
    sink = CopySink()
    house = await build(sink, app=policy(**LONG))
    await house.store.trip("app", 1000, "down")
    await house.put(event(1), event(2), reserve=False)
    house.dispatcher.wake("app")
    await house.later(3.0)
    await eventually(lambda: len(sink.seen) == 1)
    await sink.step()
    await house.later(2.0)
    assert house.gate()[0] is None
    await eventually(lambda: len(sink.seen) == 2)


@pytest.mark.plain_rows
async def test_each_of_a_batch_keeps_its_own_memo(build: Build) -> None:
    sink = Batching("app")

    async def together(deliveries: Sequence[Delivery]) -> Sequence[Any]:
        for number, delivery in enumerate(deliveries):
            await delivery.alive({"mine": number})
        return [Retry("later") for _ in deliveries]

    sink.together = together
    house = await build(sink, delivery={"batch": {"max": 3, "window": "1s"}})
    await house.put(*[event(number) for number in range(1, 4)], reserve=False)
    house.dispatcher.wake("app")
    await house.later(2.0)
    await eventually(lambda: len(house.attempts()) == 3)
    assert [json.loads(memo) for memo in house.rows("memo")] == [{"mine": 0}, {"mine": 1}, {"mine": 2}]


async def test_a_delivery_made_by_hand_is_alive_without_a_gateway() -> None:
    """So that a sink can be tested as it is."""
    from gateway.testing import delivery

    await delivery().alive({"offset": 1}, Progress(1, 2, "half"))
