"""Circuits and pauses: a sink that is broken burns nothing, is tried again by itself, and hurts nobody."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Any

import pytest

from gateway.dispatch.leased import Dispatch, LeasedDelivery
from gateway.errors import Refused, Retry, Unavailable
from gateway.model import Delivery

from .conftest import Build, House, Scripted, event, eventually, policy, raising

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


# --- pauses ---------------------------------------------------------------------------------------------------------


async def pause(house: House) -> None:
    now = house.clock.ms()
    house.write(
        f"INSERT INTO sinks (name, paused_at, paused_by, stalled_since) VALUES ('app', {now}, 'me', {now})"
        f" ON CONFLICT (name) DO UPDATE SET paused_at = {now}, paused_by = 'me', stalled_since = {now}"
    )


async def resume(house: House) -> None:
    house.write(
        f"UPDATE sinks SET paused_at = NULL, stalled_ms = stalled_ms + {house.clock.ms()} - stalled_since, stalled_since = NULL"
    )


async def test_a_paused_sink_gets_nothing_and_flows_again_within_a_second(build: Build) -> None:
    sink = Scripted()
    house = await build(sink)
    await pause(house)
    await house.later(1)
    await house.put(event(1), event(2))
    await house.later(100)
    assert sink.seen == []
    await eventually(lambda: house.rows() == ["waiting"] * 2)
    await resume(house)
    await house.later(1)
    await eventually(lambda: house.rows() == ["delivered"] * 2)


async def test_what_was_not_begun_goes_back_when_a_person_pauses(build: Build) -> None:
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await gate.wait()

    house = await build(Scripted("app", wait), delivery={"concurrency": 1})
    await house.put(event(1), event(2))
    await eventually(lambda: house.rows() == ["sending"] * 2)
    await pause(house)
    await house.later(1)
    await eventually(lambda: house.rows("state, attempts") == [("sending", 1), ("waiting", 0)])
    gate.set()
    await eventually(lambda: house.rows() == ["delivered", "waiting"])


async def test_a_probe_that_a_person_pauses_before_it_begins_goes_back_and_is_made_again(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    lane = house.dispatcher.lanes["app"]
    (lease,) = await house.store.claim("app", 1, 45_000, probe=True)
    lane.prober.mark = 7
    gate = lane.breaker.gate
    lane.breaker.gate = gate.replace(paused=True)
    lane.slots.occupy(Dispatch([LeasedDelivery(lease, 1e9)], probe=7), token=True)
    await house.calm()
    await eventually(lambda: house.rows("state, attempts") == [("waiting", 0)])
    assert len(sink.seen) == 1
    sink.script = None
    await house.later(60)  # the poll has seen that nobody pauses any more
    await eventually(lambda: house.rows() == ["delivered"])


async def test_a_probe_that_worked_forgets_whom_earlier_ones_failed_with(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    prober = house.dispatcher.lanes["app"].prober
    await house.later(60)
    assert prober._avoided  # the one that it was tried with and failed
    sink.script = None
    for _ in range(3):
        await house.later(60)
    await eventually(lambda: house.rows() == ["delivered"])
    assert not prober._avoided


async def test_a_probe_whose_lease_was_lost_before_it_begins_is_made_again(build: Build) -> None:
    sink = Scripted()
    house = await broken(build, sink)
    lane = house.dispatcher.lanes["app"]
    (lease,) = await house.store.claim("app", 1, 45_000, probe=True)
    lane.prober.mark = 7
    lost = LeasedDelivery(
        lease.replace(token=lease.token + 1), 0.0
    )  # another gateway's by now, so it cannot be renewed
    lane.slots.occupy(Dispatch([lost], probe=7), token=True)
    await house.calm()
    assert lane.prober.mark is None
    assert lane.slots.held == 0
    sink.script = None
    for _ in range(3):
        await house.later(60)
    await eventually(lambda: house.rows() == ["delivered"])


async def test_giving_up_stands_still_while_the_sink_is_paused(build: Build) -> None:
    sink = Scripted("app", raising(lambda: Retry("busy")))
    house = await build(sink, delivery={"retry": {"initial": "1s", "max": "1s", "give_up_after": "60s"}})
    await house.put(event(1))
    await house.later(30)
    await pause(house)
    await house.later(DAY, step=200)
    before = len(sink.seen)
    await resume(house)
    await house.later(20)
    await eventually(lambda: house.rows() == ["waiting"])
    assert len(sink.seen) > before + 5
    await house.later(20)
    await eventually(lambda: house.rows("state, reason") == [("dead", "expired")])


async def test_giving_up_stands_still_while_the_circuit_is_open(build: Build) -> None:
    sink = Scripted("app", raising(lambda: Retry("busy")))
    house = await build(sink, delivery={"retry": {"initial": "1s", "max": "1s", "give_up_after": "60s"}})
    await house.put(event(1))
    await house.later(30)
    sink.script = raising(lambda: Unavailable("gone"))
    await house.later(DAY, step=200)
    await eventually(lambda: house.rows() == ["waiting"])
    sink.script = None
    await house.put(event(2))
    await house.later(400, step=100)
    await eventually(lambda: house.rows() == ["delivered"] * 2)


# --- opening sinks --------------------------------------------------------------------------------------------------


class Shy(Scripted):
    """Fails to open until it is told to."""

    trouble: BaseException | None = None
    hangs = False

    async def open(self) -> None:
        await super().open()
        if self.hangs:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble


@pytest.mark.parametrize("trouble", [OSError("no such folder"), Unavailable("not yet"), SystemExit(1)])
async def test_a_sink_that_does_not_open_starts_with_its_circuit_open(build: Build, trouble: BaseException) -> None:
    sink, other = Shy("app"), Scripted("ops")
    sink.trouble = trouble
    house = await build(sink, other)
    assert house.value("circuit_open", sink="app") == 1
    await house.put(event(1))
    await eventually(lambda: house.rows("state", "sink = 'ops'") == ["delivered"])
    await house.later(60)
    assert sink.opened >= 3
    assert sink.seen == []
    await eventually(lambda: house.rows("state, attempts", "sink = 'app'") == [("waiting", 0)])
    sink.trouble = None
    await house.later(60)
    await eventually(lambda: house.rows() == ["delivered"] * 2)
    opened = sink.opened
    await house.later(60)
    assert sink.opened == opened


async def test_a_sink_that_opens_late_closes_its_circuit_without_a_delivery(build: Build) -> None:
    sink = Shy("app")
    sink.trouble = OSError("not mounted yet")
    house = await build(sink)
    sink.trouble = None
    await house.later(10)
    assert house.value("circuit_open", sink="app") == 0
    (taken,) = await house.put(event(1))
    assert len(taken.leases) == 1


async def test_a_sink_that_hangs_while_it_opens_delays_no_other(build: Build) -> None:
    sink, other = Shy("app"), Scripted("ops")
    sink.hangs = True
    house = await build(sink, other, app=policy(timeout="10ms"))
    await house.put(event(1))
    await eventually(lambda: house.rows("state", "sink = 'ops'") == ["delivered"])
    await eventually(lambda: house.value("circuit_open", sink="app") == 1)
    assert "no answer within" in house.gate()[3]


async def test_a_sink_that_is_still_opening_does_not_hold_up_the_end(build: Build) -> None:
    sink = Shy("app")
    sink.hangs = True
    house = await build(sink, delivery={"timeout": "1h"})
    await asyncio.wait_for(house.close(), 3)


async def test_when_another_gateway_has_closed_the_circuit_a_sink_of_ours_still_opens_first(build: Build) -> None:
    sink = Shy("app")
    sink.trouble = OSError("here only")
    house = await build(sink)
    house.write("UPDATE sinks SET open_until = NULL, pauses = 0, stalled_since = NULL")
    await house.later(30)
    await house.put(event(1))
    await house.later(300)
    assert sink.seen == []
    assert 4 <= sink.opened <= 10  # ever more slowly
    assert house.gate()[0] is None  # the others' circuit is left closed
    sink.trouble = None
    await house.later(360)
    await eventually(lambda: house.rows() == ["delivered"])
