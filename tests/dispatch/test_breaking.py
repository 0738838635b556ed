"""Circuits and pauses: a sink that is broken burns nothing, is tried again by itself, and hurts nobody."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest

from gateway.dispatch.leased_delivery import Dispatch
from gateway.errors import Refused, Retry, Unavailable
from gateway.model import Delivery
from tests.patience import eventually

from .conftest import Build, House, Scripted, event, raising

DAY = 86_400


def down() -> Retry:
    return Retry("502", status=502, service=True)


async def broken(build: Build, sink: Scripted, **options: Any) -> House:
    """A house whose one sink has just said that it is unavailable."""
    sink.script = raising(lambda: Unavailable("token revoked"))
    house = await build(sink, **options)
    await house.put(event(1))
    await eventually(lambda: house.value("circuit_open", sink=sink.name) == 1)
    await house.calm()
    return house


async def test_unavailable_opens_the_circuit_and_gives_the_attempt_back(build: Build) -> None:
    house = await broken(build, Scripted())
    await eventually(lambda: house.rows("state, attempts") == [("waiting", 0)])
    open_until, pauses, _, reason = house.gate()
    assert open_until > house.clock.ms()
    assert (pauses, reason) == (1, "token revoked")
    assert house.attempts() == ["unavailable"]


@pytest.mark.wide
async def test_a_circuit_that_is_open_for_days_burns_no_attempt_and_lets_nothing_die(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink, delivery={"retry": {"give_up_after": "1h"}})
    for number in range(2, 12):
        await house.put(event(number))
    await house.later(3 * DAY, step=301)
    await eventually(lambda: house.rows("state, attempts") == [("waiting", 0)] * 11)
    assert 400 < len(sink.seen) < 1200  # a probe in five to ten minutes, as the steps of this test fall
    sink.script = None
    await house.later(400)
    await eventually(lambda: house.rows() == ["delivered"] * 11)
    assert house.value("circuit_open", sink="app") == 0


@pytest.mark.wide
async def test_the_pauses_grow(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    probed: list[float] = []

    async def note(delivery: Delivery) -> None:
        probed.append(house.clock.monotonic())
        raise down()

    sink.script = note
    await house.later(900)
    gaps = [later - earlier for earlier, later in itertools.pairwise(probed)]
    for gap, expected in zip(gaps, (10, 20, 40, 80, 160, 300), strict=False):
        assert expected * 0.79 <= gap <= expected * 1.21 + 1
    assert len(gaps) >= 5


async def test_a_pause_the_target_asked_for_is_kept_up_to_its_cap(build: Build) -> None:
    sink = Scripted("app", raising(lambda: Unavailable("gone", timedelta(days=30))))
    house = await build(sink, delivery={"retry": {"max_retry_after": "2h"}})
    await house.put(event(1))
    await house.calm()
    assert house.gate()[0] - house.clock.ms() == 7_200_000
    await house.later(7100, step=100)
    assert len(sink.seen) == 1
    await house.later(200, step=100)
    assert len(sink.seen) == 2


async def test_one_success_closes_it_and_everything_flows_at_once(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    await house.fill(50)
    sink.script = None
    await house.later(8)
    await eventually(lambda: house.rows() == ["delivered"] * 51)
    assert house.gate()[:2] == (None, 0)
    assert house.counted("app", "unavailable") == 1


async def test_a_refusal_is_an_answer_too(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    sink.script = raising(lambda: Refused("no"))
    await house.later(8)
    await eventually(lambda: house.rows("state, reason") == [("dead", "refused")])
    await eventually(lambda: house.gate()[:2] == (None, 0))


async def test_ten_failures_of_the_service_open_it_and_the_rest_is_spared(build: Build) -> None:
    sink = Scripted("app", raising(down))
    house = await build(sink, delivery={"concurrency": 1})
    await house.fill(40)
    await house.later(1)
    await eventually(lambda: house.value("circuit_open", sink="app") == 1)
    await house.calm()
    assert len(sink.seen) == 10
    await eventually(lambda: house.rows("count(*)", "attempts = 1 and state = 'waiting'") == [10])
    await eventually(lambda: house.rows("count(*)", "attempts = 0 and state = 'waiting'") == [30])
    assert house.gate()[3] == "502"


async def test_one_delivery_that_always_fails_never_opens_it(build: Build) -> None:
    sink = Scripted("app", raising(down))
    house = await build(sink, delivery={"retry": {"initial": "1s", "max": "1s"}})
    await house.put(event(1))
    await house.later(60)
    assert len(sink.seen) > 20
    assert house.value("circuit_open", sink="app") == 0


async def test_a_plugins_bug_never_opens_it(build: Build) -> None:
    sink = Scripted("app", raising(lambda: KeyError("bug")))
    house = await build(sink)
    await house.fill(40)
    await house.later(1)
    await eventually(lambda: house.rows("attempts", "attempts = 0") == [])
    assert house.value("circuit_open", sink="app") == 0


async def test_what_was_in_flight_when_it_opened_is_spared_too(build: Build) -> None:
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        if delivery.event.id == event(1).id:
            raise Unavailable("gone")
        await gate.wait()
        raise down()

    house = await build(Scripted("app", wait))
    await house.put(event(2), event(3), event(1))
    await eventually(lambda: house.value("circuit_open", sink="app") == 1)
    gate.set()
    await eventually(lambda: house.rows("state, attempts") == [("waiting", 0)] * 3)


async def test_the_probe_is_one_delivery_the_oldest_never_tried(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    ids = await house.fill(5)
    sink.script = raising(down)
    await house.later(7)
    assert sink.ids == [event(1).id, ids[0]]


async def test_a_poll_that_comes_between_a_probes_claim_and_its_worker_leaves_it_there(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    lane = house.dispatcher.lanes["app"]
    occupy = lane.slots.occupy

    def occupy_and_poll(dispatch: Dispatch, *, token: bool = False) -> None:
        occupy(dispatch, token=token)
        lane.note_poll(house.clock.ms(), lane.breaker.gate, lane.breaker.version)

    lane.slots.occupy = occupy_and_poll  # type: ignore[method-assign]
    sink.script = None
    await house.later(8)
    await eventually(lambda: house.rows() == ["delivered"])


async def test_an_event_the_service_always_fails_on_does_not_keep_it_shut(build: Build) -> None:
    """500 for one event only: as a probe it fails, but the next probe is another's."""
    sink = Scripted("app", raising(down))
    house = await build(sink, delivery={"concurrency": 1})
    poison = (await house.fill(1))[0]
    for _ in range(4):
        await house.fill(3)
        await house.later(1)
    assert house.value("circuit_open", sink="app") == 1
    house.write("DELETE FROM deliveries WHERE attempts = 0")  # nothing never tried is left to probe with

    async def choosy(delivery: Delivery) -> None:
        if delivery.event.id == poison:
            raise down()

    sink.script = choosy
    house.write("UPDATE deliveries SET attempts = 0, due_at = 0 WHERE id = 1")  # the least tried is the poisoned one
    await house.later(120)
    await eventually(lambda: house.value("circuit_open", sink="app") == 0)
    await eventually(lambda: house.rows("state", "id > 1 and state <> 'delivered'") == [])


async def test_the_last_one_left_is_probed_with_again_and_again(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    sink.script = raising(lambda: KeyError("bug"))
    await house.later(120)
    assert len(sink.seen) >= 4
    await eventually(lambda: house.rows("state, attempts") == [("waiting", 0)])


async def test_a_circuit_with_nothing_to_try_stays_as_it_is_and_a_new_event_tries_it(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    house.write("UPDATE deliveries SET state = 'dead', rank = 1")
    await house.later(600)
    assert len(sink.seen) == 1
    assert house.value("circuit_open", sink="app") == 1
    sink.script = None
    await house.put(event(2))
    await house.later(2)
    assert house.value("circuit_open", sink="app") == 0
    await eventually(lambda: house.rows() == ["dead", "delivered"])


async def test_it_stays_open_over_a_restart(build: Build) -> None:
    house = await broken(build, Scripted())
    await house.close()
    sink = Scripted()
    again = await build(sink)
    assert again.value("circuit_open", sink="app") == 1
    (taken,) = await again.put(event(2))
    assert taken.waiting == ("app",)
    assert sink.seen == []
    await again.later(8)
    await eventually(lambda: again.rows() == ["delivered"] * 2)


async def test_another_gateways_circuit_is_honoured(build: Build) -> None:
    sink = Scripted()
    house = await build(sink)
    until = house.clock.ms() + 60_000
    house.write(
        f"INSERT INTO sinks (name, open_until, pauses, reason, stalled_since) VALUES ('app', {until}, 3, 'theirs', {house.clock.ms()})"
        f" ON CONFLICT (name) DO UPDATE SET open_until = {until}, pauses = 3, reason = 'theirs', stalled_since = {house.clock.ms()}"
    )
    await house.later(1)
    assert house.dispatcher.reserve("app") is None
    await house.put(event(1))
    await house.later(50)
    assert sink.seen == []
    await house.later(12)
    await eventually(lambda: house.rows() == ["delivered"])


async def test_while_somebody_else_probes_this_gateway_waits(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    house.write(f"UPDATE sinks SET probe_until = {house.clock.ms() + 100_000}")
    sink.script = None
    await house.later(60)
    assert len(sink.seen) == 1
    await house.later(60)
    assert len(sink.seen) == 2
