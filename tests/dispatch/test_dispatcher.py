"""The way of a delivery, from the door or from the store to its sink and back, on a real store."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from gateway.errors import Refused, Retry
from gateway.model import Delivery
from tests.patience import eventually

from .conftest import Build, Scripted, event, forever, raising


async def test_a_fresh_delivery_is_handed_over_and_arrives(build: Build) -> None:
    sink = Scripted()
    house = await build(sink)
    (accepted,) = await house.put(event(1))
    assert len(accepted.leases) == 1
    await eventually(lambda: house.rows() == ["delivered"])
    (delivery,) = sink.seen
    assert delivery.event == event(1)
    assert (delivery.sink, delivery.attempt, delivery.replay, dict(delivery.memo)) == ("app", 1, False, {})
    assert delivery.first_attempt_at == house.clock.now()
    assert delivery.deadline == house.clock.now() + timedelta(seconds=15)


async def test_rows_nobody_spoke_of_are_found_by_the_poll_within_a_second(build: Build) -> None:
    sink = Scripted()
    house = await build(sink)
    await house.fill(10)
    assert sink.seen == []
    await house.later(1)
    await eventually(lambda: house.rows() == ["delivered"] * 10)


async def test_rows_left_waiting_are_claimed_when_the_lane_is_woken(build: Build) -> None:
    sink = Scripted()
    house = await build(sink)
    await house.fill(1)
    house.dispatcher.wake("app")
    await eventually(lambda: house.rows() == ["delivered"])


async def test_what_waited_at_the_start_is_carried(build: Build, database: str) -> None:
    first = await build(Scripted("app", forever))
    await first.fill(30)
    await first.drop()
    sink = Scripted()
    second = await build(sink)
    await eventually(lambda: second.rows() == ["delivered"] * 30)
    assert len(set(sink.ids)) == 30


async def test_a_backlog_is_carried_without_waiting_for_the_poll(build: Build) -> None:
    sink = Scripted()
    house = await build(sink)
    ids = await house.fill(700)
    house.dispatcher.wake("app")
    await eventually(lambda: len(sink.seen) == 700)
    assert sorted(sink.ids) == sorted(ids)


async def test_every_sink_gets_its_own(build: Build) -> None:
    sinks = [Scripted(name) for name in ("app", "ops", "log")]
    house = await build(*sinks)
    await house.put(event(1))
    await house.put(event(2), to=["ops"])
    await eventually(lambda: house.rows() == ["delivered"] * 4)
    assert [len(sink.seen) for sink in sinks] == [1, 2, 1]


async def test_a_sink_this_gateway_does_not_have_is_left_alone(build: Build) -> None:
    house = await build(Scripted("app"))
    assert house.dispatcher.reserve("elsewhere") is None
    assert house.dispatcher.keeps_order("elsewhere") is False
    await house.put(event(1), to=["elsewhere"])
    house.dispatcher.wake("elsewhere")
    await house.later(2)
    await eventually(lambda: house.rows() == ["waiting"])


async def test_no_more_than_the_concurrency_goes_out_at_once_and_no_more_than_twice_is_held(build: Build) -> None:
    running, most = 0, 0
    gate = asyncio.Event()

    async def count(delivery: Delivery) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1

    house = await build(Scripted("app", count), delivery={"concurrency": 3})
    await house.fill(20)
    for number in range(20):
        await house.put(event(number))
    await house.calm()
    assert running == 3
    await eventually(lambda: house.rows("count(*)", "state = 'sending'") == [6])
    gate.set()
    await eventually(lambda: house.rows() == ["delivered"] * 40)
    assert most == 3


async def test_a_lane_that_is_full_reserves_nothing_and_takes_again_when_it_is_free(build: Build) -> None:
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await gate.wait()

    house = await build(Scripted("app", wait), delivery={"concurrency": 1})
    assert [house.dispatcher.reserve("app") for _ in range(3)] == [45_000, 45_000, None]
    house.dispatcher.unreserve("app")
    assert house.dispatcher.reserve("app") == 45_000
    house.dispatcher.unreserve("app")
    house.dispatcher.unreserve("app")
    house.dispatcher.unreserve("app")  # once too often changes nothing
    await house.put(event(1), event(2), event(3))
    await house.calm()
    await eventually(lambda: sorted(house.rows()) == ["sending", "sending", "waiting"])
    gate.set()
    await eventually(lambda: house.rows() == ["delivered"] * 3)


# --- outcomes -------------------------------------------------------------------------------------------------------


async def test_a_failed_delivery_is_tried_again_when_its_time_has_come(build: Build) -> None:
    answers: list[Any] = [Retry("busy"), ValueError("a bug"), None]

    async def script(delivery: Delivery) -> str:
        answer = answers.pop(0)
        if answer:
            raise answer
        return "202"

    sink = Scripted("app", script)
    house = await build(sink)
    await house.put(event(1))
    await eventually(lambda: house.rows() == ["waiting"])
    for _ in range(3):
        await house.later(15)
    await eventually(lambda: house.rows("state, attempts") == [("delivered", 3)])
    assert house.attempts("outcome, detail") == [
        ("retry", "busy"),
        ("retry", "ValueError: a bug"),
        ("delivered", "202"),
    ]
    assert [delivery.attempt for delivery in sink.seen] == [1, 2, 3]
    assert len({delivery.first_attempt_at for delivery in sink.seen}) == 1
    assert len({delivery.event.id for delivery in sink.seen}) == 1


async def test_a_retry_comes_exactly_when_it_is_due_between_two_polls(build: Build) -> None:
    sink = Scripted("app", raising(lambda: Retry("again", timedelta(milliseconds=300))))
    house = await build(sink, delivery={"retry": {"initial": "1ms", "max": "1ms"}})
    await house.put(event(1))
    await eventually(lambda: house.rows() == ["waiting"])
    await house.later(1.0)  # a poll has seen when it is due
    seen = len(sink.seen)
    await house.later(0.9, step=0.05)
    assert len(sink.seen) >= seen + 2


async def test_a_refused_delivery_is_dead_at_once(build: Build) -> None:
    sink = Scripted("app", raising(Refused("too long", status=413)))
    house = await build(sink)
    await house.put(event(1))
    await eventually(lambda: house.rows("state, reason") == [("dead", "refused")])
    assert house.attempts("outcome, status, detail") == [("refused", 413, "too long")]
    await house.later(10)
    assert len(sink.seen) == 1


async def test_it_gives_up_after_its_time_with_a_last_try_at_the_end(build: Build) -> None:
    sink = Scripted("app", raising(lambda: Retry("busy")))
    house = await build(sink, delivery={"retry": {"initial": "10s", "max": "40s", "give_up_after": "100s"}})
    began = house.clock.ms()
    await house.put(event(1))
    await house.later(120)
    await eventually(lambda: house.rows("state, reason") == [("dead", "expired")])
    ended = house.attempts("started_at")[-1] - began
    assert 100_000 <= ended < 102_000


async def test_the_first_attempt_is_made_however_old_the_event(build: Build) -> None:
    sink = Scripted()
    house = await build(sink, delivery={"retry": {"give_up_after": "1s"}})
    await house.fill(1)
    house.clock.advance(10_000)
    await house.later(1)
    await eventually(lambda: house.rows() == ["delivered"])


async def test_what_a_sink_remembers_comes_back_also_after_a_timeout(build: Build) -> None:
    sink = Scripted()
    # A quarter of a second, because the two attempts that do not hang must not run out of time on a busy machine.
    house = await build(sink, delivery={"timeout": "250ms", "retry": {"initial": "1s", "max": "1s"}})
    sink.script = raising(Retry("half of them", memo={"done": ["a"]}))
    await house.put(event(1))
    await eventually(lambda: house.rows() == ["waiting"])
    sink.script = forever
    await house.later(2)
    await eventually(lambda: house.attempts() == ["retry", "retry"])
    sink.script = None
    await house.later(2)
    await eventually(lambda: house.rows() == ["delivered"])
    assert [dict(delivery.memo) for delivery in sink.seen] == [{}, {"done": ["a"]}, {"done": ["a"]}]


async def test_a_replay_says_so(build: Build) -> None:
    sink = Scripted()
    house = await build(sink)
    await house.put(event(1))
    await eventually(lambda: house.rows() == ["delivered"])
    house.write(
        "UPDATE deliveries SET state = 'waiting', rank = 1, attempts = 0, round = round + 1, replay = 1, due_at = 0"
    )
    await house.later(1)
    await eventually(lambda: len(sink.seen) == 2)
    assert [delivery.replay for delivery in sink.seen] == [False, True]
    assert sink.seen[1].attempt == 1


# --- order ----------------------------------------------------------------------------------------------------------


async def test_in_order_one_of_a_stream_is_in_flight_and_the_oldest_goes_first(build: Build) -> None:
    running: set[str] = set()

    async def alone(delivery: Delivery) -> None:
        assert delivery.event.subject not in running
        running.add(delivery.event.subject)
        await asyncio.sleep(0)
        running.discard(delivery.event.subject)

    sink = Scripted("app", alone)
    house = await build(sink, delivery={"order": "stream", "concurrency": 8})
    events = [event(number, stream=f"s{number % 3}") for number in range(30)]
    for one in events:
        await house.put(one)
    await eventually(lambda: house.rows() == ["delivered"] * 30)  # without the poll: a settled head frees the next
    for stream in range(3):
        subject = f"push.example.com/live/s{stream}"
        mine = [delivery.event.id for delivery in sink.seen if delivery.event.subject == subject]
        assert mine == [one.id for one in events if one.subject == subject]


async def test_a_dead_delivery_lets_the_next_of_its_stream_go(build: Build) -> None:
    async def refuse_the_first(delivery: Delivery) -> None:
        if delivery.event.id == event(0).id:
            raise Refused("no")

    house = await build(Scripted("app", refuse_the_first), delivery={"order": "stream"})
    for number in range(3):
        await house.put(event(number))
    await eventually(lambda: house.rows() == ["dead", "delivered", "delivered"])


async def test_only_an_ordered_sink_has_keys_and_only_for_what_has_a_subject(build: Build) -> None:
    from .conftest import policy

    house = await build(Scripted("app"), Scripted("ops"), app=policy(order="stream"))
    assert house.dispatcher.keeps_order("app") is True
    assert house.dispatcher.keeps_order("ops") is False
