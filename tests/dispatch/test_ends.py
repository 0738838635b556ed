"""Stops, crashes and a store that is away: nothing is lost, and nothing is sent that was not to be sent."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.dispatch.leased_delivery import Dispatch, LeasedDelivery
from gateway.model import Delivery
from tests.patience import eventually

from .conftest import Batching, Build, House, Scripted, event, forever

# --- the end --------------------------------------------------------------------------------------------------------


async def test_what_is_being_sent_may_end_and_what_has_not_begun_goes_back(build: Build) -> None:
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await gate.wait()

    sink = Scripted("app", wait)
    house = await build(sink, delivery={"concurrency": 2})
    await house.put(*[event(number) for number in range(6)])
    await eventually(lambda: len(sink.seen) == 2)
    closing = asyncio.create_task(house.close(5))
    await asyncio.sleep(0)
    assert house.dispatcher.reserve("app") is None
    gate.set()
    await closing
    assert sorted(house.rows("state, attempts")) == [("delivered", 1)] * 2 + [("waiting", 0)] * 4
    assert sink.closed == 1


async def test_what_does_not_end_in_time_is_cut_off_and_tried_again_at_once_after_the_start(build: Build) -> None:
    house = await build(Scripted("app", forever))
    await house.put(event(1))
    await house.calm()
    await house.close(0.01)
    assert house.rows("state, attempts") == [("waiting", 0)]  # the stop was ours, not the target's failure
    assert house.attempts("outcome, detail") == [("retry", "cut off: the gateway stopped")]
    sink = Scripted()
    again = await build(sink)
    await eventually(lambda: again.rows() == ["delivered"])


async def test_being_cut_off_by_the_end_is_no_reason_to_give_up(build: Build) -> None:
    sink = Scripted("app", forever)
    house = await build(sink, delivery={"retry": {"give_up_after": "1s"}})
    await house.put(event(1))
    await eventually(lambda: len(sink.seen) == 1)
    house.clock.advance(100)
    await house.close(0.01)
    assert house.rows() == ["waiting"]


async def test_a_batch_that_waits_for_its_window_is_still_waiting_after_the_end(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery={"batch": {"max": 5, "window": "30s"}})
    await house.put(event(1))
    await house.close()
    assert house.rows("state, attempts") == [("waiting", 0)]


async def test_a_delivery_committed_while_the_gateway_stops_goes_back(build: Build) -> None:
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await gate.wait()

    sink = Scripted("app", wait)
    house = await build(sink)
    await house.put(event(1))
    await eventually(lambda: len(sink.seen) == 1)
    lease = house.dispatcher.reserve("app")
    assert lease is not None
    closing = asyncio.create_task(house.dispatcher.close(5))
    await asyncio.sleep(0)
    (accepted,) = await house.put_reserved(event(2), lease)
    house.dispatcher.hand_over(accepted.leases[0])
    gate.set()
    await closing
    assert house.rows("state, attempts") == [("delivered", 1), ("waiting", 0)]
    assert len(sink.seen) == 1


async def test_closing_twice_and_closing_what_never_opened_is_nothing(build: Build, database: str) -> None:
    house = await build(Scripted())
    await house.dispatcher.close(1)
    await house.dispatcher.close(1)
    await House(database, Scripted()).dispatcher.close(1)


async def test_a_gateway_without_sinks_opens_and_closes(build: Build) -> None:
    await (await build()).close()


@pytest.mark.parametrize("how", ["hangs", "fails"])
async def test_a_sink_that_does_not_close_is_left_behind(
    build: Build, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clinging(Scripted):
        async def close(self) -> None:
            await super().close()
            if how == "hangs":
                await asyncio.Event().wait()
            raise OSError("device busy")

    monkeypatch.setattr("gateway.dispatch.dispatcher.SINK_CLOSE_SECONDS", 0.01)
    sinks = [Clinging("app"), Clinging("ops"), Scripted("log")]
    house = await build(*sinks)
    with capture_logs() as logs:
        await house.close()
    assert [sink.closed for sink in sinks] == [1, 1, 1]
    assert sorted(line["sink"] for line in logs if line["event"] == "sink_not_closed") == ["app", "ops"]


# --- the crash ------------------------------------------------------------------------------------------------------


async def test_after_a_crash_everything_is_delivered(build: Build) -> None:
    stuck = Scripted("app", forever)
    house = await build(stuck)
    events = [event(number) for number in range(30)]
    for one in events:
        await house.put(one)
    await eventually(lambda: len(stuck.seen) == 4)
    await house.drop()
    assert house.rows("count(*)", "state = 'sending'") == [8]
    sink = Scripted()
    again = await build(sink)
    await eventually(lambda: again.rows() == ["delivered"] * 30)
    assert sorted(sink.ids) == sorted(one.id for one in events)
    assert again.attempts().count("lost") == 8


async def test_a_delivery_that_kills_its_process_every_time_dies_in_the_end(build: Build) -> None:
    """No attempt of it ever fails, so it is the lost ones that count."""
    options = {"delivery": {"retry": {"give_up_after": "1h"}}}
    house = await build(Scripted("app", forever), **options)
    await house.put(event(1), event(2), event(3))
    await eventually(lambda: house.rows() == ["sending"] * 3)
    await house.drop()
    house.write("UPDATE deliveries SET attempts = 20, first_at = first_at - 7200000 WHERE id = 1")
    house.write("UPDATE deliveries SET attempts = 20, first_at = first_at - 7100000 WHERE id = 2")  # not yet
    house.write("UPDATE deliveries SET attempts = 19, first_at = first_at - 9900000 WHERE id = 3")
    sink = Scripted()
    again = await build(sink, **options)
    await eventually(lambda: again.rows("state, reason") == [("dead", "expired"), *[("delivered", None)] * 2])
    assert sorted(sink.ids) == sorted([event(2).id, event(3).id])
    assert again.attempts("outcome", where="delivery = 1") == ["lost", "lost"]


# --- leases ---------------------------------------------------------------------------------------------------------


async def test_a_lease_with_too_little_left_is_renewed_before_sending(build: Build) -> None:
    gates = [asyncio.Event(), asyncio.Event()]

    async def wait(delivery: Delivery) -> None:
        await gates.pop(0).wait()

    first, second = gates
    sink = Scripted("app", wait)
    house = await build(sink, delivery={"concurrency": 1})
    await house.put(event(1), event(2))
    await eventually(lambda: len(sink.seen) == 1)
    (before,) = house.rows("due_at", "id = 2")
    house.clock.advance(26)
    first.set()
    await eventually(lambda: len(sink.seen) == 2)
    assert house.rows("due_at", "id = 2") == [before + 26_000]
    second.set()
    await eventually(lambda: house.rows() == ["delivered"] * 2)


async def test_a_lease_that_was_lost_is_not_sent(build: Build) -> None:
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await gate.wait()

    sink = Scripted("app", wait)
    house = await build(sink, delivery={"concurrency": 1})
    await house.put(event(1), event(2))
    await eventually(lambda: len(sink.seen) == 1)
    house.write("UPDATE deliveries SET token = token + 1 WHERE id = 2")  # another gateway took it
    house.clock.advance(26)
    gate.set()
    await eventually(lambda: house.rows("state", "id = 1") == ["delivered"])
    await house.calm()
    assert len(sink.seen) == 1
    assert house.counted("app", "lost") == 1


async def test_an_outcome_that_comes_too_late_is_counted_and_dropped(build: Build) -> None:
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await gate.wait()

    sink = Scripted("app", wait)
    house = await build(sink)
    await house.put(event(1))
    await eventually(lambda: len(sink.seen) == 1)
    house.write("UPDATE deliveries SET token = token + 1, state = 'dead', rank = 1")  # a person cancelled it
    gate.set()
    await eventually(lambda: house.counted("app", "lost") == 1)
    assert house.rows() == ["dead"]
    assert house.dispatcher.lanes["app"].slots.leased == {}


async def test_what_this_process_is_carrying_is_not_sent_twice_when_its_lease_ends(build: Build) -> None:
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await gate.wait()

    sink = Scripted("app", wait)
    house = await build(sink)
    await house.put(event(1))
    await eventually(lambda: len(sink.seen) == 1)
    await house.later(120, step=10)  # the clock jumped, or the loop stood still
    assert len(sink.seen) == 1
    gate.set()
    await eventually(lambda: house.rows() == ["delivered"])


async def test_a_delivery_that_is_in_hand_is_not_taken_a_second_time(build: Build) -> None:
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await gate.wait()

    sink = Scripted("app", wait)
    house = await build(sink, delivery={"rate": "5/s"})
    await house.put(event(1))
    await eventually(lambda: len(sink.seen) == 1)
    lane = house.dispatcher.lanes["app"]
    house.write("UPDATE deliveries SET due_at = 0")  # its lease ended; a claim that did not know of it takes it again
    (again,) = await house.store.claim("app", 1, 45_000)
    lane.slots.occupy(Dispatch([LeasedDelivery(again, 1e9)]), token=True)
    gate.set()
    await eventually(lambda: house.rows() == ["waiting"])
    assert len(sink.seen) == 1
    assert lane.slots.pace is not None
    assert lane.slots.pace.free(house.clock.monotonic()) == 4
