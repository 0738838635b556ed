"""Stops, crashes and a store that is away: nothing is lost, and nothing is sent that was not to be sent."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.dispatch import claimer
from gateway.dispatch.leased import Dispatch, LeasedDelivery
from gateway.errors import ItemRefused, StoreUnavailable, Unavailable
from gateway.model import Delivery
from gateway.store.records import Due, Gate, Lease, Settlement
from gateway.store.store import Store

from .conftest import Batching, Build, House, Scripted, event, eventually, forever, policy, raising


class Away(Store):
    """The real store behind a connection that the test cuts. `refuses` are deliveries whose outcome it never takes whole."""

    away = False
    settles = 0
    asked = 0
    hangs = False
    refuses: Collection[int] = ()
    bare_too = False

    def _there(self) -> None:
        if self.away:
            raise StoreUnavailable("the test cut it")

    def settle(self, settlements: Sequence[Settlement]) -> Future[Sequence[bool]]:
        self.settles += 1
        self._there()
        if any(one.delivery in self.refuses and (one.detail or self.bare_too) for one in settlements):
            raise ItemRefused("a value it cannot hold")
        return super().settle(settlements)

    def release(self, leases: Sequence[tuple[int, int]], *, delay: int = 0) -> Future[None]:
        self._there()
        return super().release(leases, delay=delay)

    def claim(
        self, sink: str, most: int, lease: int, *, running: Collection[int] = (), probe: bool = False
    ) -> Future[Sequence[Lease]]:
        self._there()
        return super().claim(sink, most, lease, running=running, probe=probe)

    def trip(self, sink: str, pause: int, reason: str) -> Future[Gate]:
        self._there()
        return super().trip(sink, pause, reason)

    def probed(self, sink: str, mark: int, *, good: bool, pause: int = 0, reason: str = "") -> Future[None]:
        self._there()
        return super().probed(sink, mark, good=good, pause=pause, reason=reason)

    def renew(self, delivery: int, token: int, lease: int) -> Future[bool]:
        self._there()
        self.asked += 1
        if self.hangs:
            return asyncio.get_running_loop().create_future()
        return super().renew(delivery, token, lease)

    def gates(self) -> Future[Mapping[str, Gate]]:
        self._there()
        return super().gates()

    def due(self) -> Future[Sequence[Due]]:
        self._there()
        return super().due()


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Houses of this test stand on a store that can be cut off."""
    monkeypatch.setattr(House, "STORE", Away)


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


async def test_what_waits_for_a_longer_lease_at_the_end_goes_back(build: Build, cut: None) -> None:
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        await gate.wait()

    sink = Scripted("app", wait)
    house = await build(sink, delivery={"concurrency": 1})
    await house.put(event(1), event(2))
    await eventually(lambda: len(sink.seen) == 1)
    store: Any = house.store
    store.hangs = True
    house.clock.advance(26)
    gate.set()
    await eventually(lambda: store.asked == 1)
    await house.close(0.01)
    assert house.rows("state, attempts") == [("delivered", 1), ("waiting", 0)]


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


async def test_a_claim_under_way_at_the_end_goes_back(build: Build, cut: None) -> None:
    sink = Scripted()
    house = await build(sink)
    await house.fill(5)
    house.dispatcher.wake("app")
    await asyncio.sleep(0)  # the lane has sent its claim
    await house.close()
    assert set(house.rows("state")) <= {"waiting", "delivered"}
    assert house.rows("count(*)", "state = 'waiting' and attempts > 0") == [0]


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


# --- the store is away ----------------------------------------------------------------------------------------------


async def test_outcomes_wait_in_memory_while_the_store_is_away_and_nothing_new_is_claimed(
    build: Build, cut: None
) -> None:
    sink = Scripted()
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> str:
        await gate.wait()
        return "done"

    sink.script = wait
    house = await build(sink)
    store: Any = house.store
    await house.put(*[event(number) for number in range(4)])
    await house.fill(20)
    await eventually(lambda: len(sink.seen) == 4)
    with capture_logs() as logs:
        store.away = True
        gate.set()
        await eventually(lambda: store.settles >= 1)
        assert house.dispatcher.reserve("app") is None
        for _ in range(30):
            house.clock.advance(1)
            await asyncio.sleep(0.001)
        assert 5 < store.settles < 20  # tried again, ever more slowly
        assert len(sink.seen) == 4
        store.away = False
        await house.later(6)
        await eventually(lambda: house.rows() == ["delivered"] * 24)
    assert len(sink.seen) == 24  # nothing was sent twice
    said = [line["event"] for line in logs]
    assert said.count("outcomes_wait") == said.count("outcomes_written") == 1
    assert said.count("poll_failed") == 1


async def test_a_claim_that_fails_is_sent_again(build: Build, cut: None) -> None:
    sink = Scripted()
    house = await build(sink)
    store: Any = house.store
    await house.fill(3)
    store.away = True
    house.dispatcher.wake("app")
    await asyncio.sleep(0.01)
    store.away = False
    await house.later(2)
    await eventually(lambda: house.rows() == ["delivered"] * 3)


async def test_outcomes_of_a_store_that_does_not_come_back_are_left_to_their_leases(
    build: Build, cut: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.dispatch.dispatcher.LAST_WRITES_SECONDS", 0.01)
    sink = Scripted("app", forever)
    house = await build(sink)
    await house.put(event(1))
    await eventually(lambda: len(sink.seen) == 1)
    store: Any = house.store
    store.away = True
    with capture_logs() as logs:
        await house.close(0.01)
    assert "outcomes_not_written" in [line["event"] for line in logs]
    assert house.rows() == ["sending"]


async def test_an_outcome_the_database_refuses_hurts_no_other_and_is_written_bare(build: Build, cut: None) -> None:
    async def receipt(delivery: Delivery) -> str:
        return "a receipt"

    house = await build(Scripted("app", receipt))
    store: Any = house.store
    store.refuses = {2}
    await house.put(*[event(number) for number in range(4)])
    await eventually(lambda: house.rows() == ["delivered"] * 4)
    assert house.attempts("detail") == ["a receipt", "", "a receipt", "a receipt"]


async def test_an_outcome_that_is_refused_even_bare_is_left_to_its_lease(build: Build, cut: None) -> None:
    house = await build(Scripted())
    store: Any = house.store
    store.refuses, store.bare_too = {1}, True
    with capture_logs() as logs:
        await house.put(event(1), event(2))
        await eventually(lambda: house.rows() == ["sending", "delivered"])
        await eventually(lambda: house.counted("app", "lost") == 1)
    assert [line["event"] for line in logs].count("outcome_refused") == 2


async def test_a_circuit_the_store_cannot_be_told_of_is_open_here_all_the_same(build: Build, cut: None) -> None:
    sink = Scripted("app", raising(lambda: Unavailable("gone")))
    house = await build(sink, app=policy(concurrency=1))
    store: Any = house.store
    await house.put(event(1), event(2))
    store.away = True
    await eventually(lambda: house.value("circuit_open", sink="app") == 1)
    await asyncio.sleep(0.01)
    assert len(sink.seen) == 1
    store.away = False
    sink.script = None
    await house.later(10)
    await eventually(lambda: house.rows() == ["delivered"] * 2)


async def test_a_probe_whose_end_the_store_cannot_be_told_is_made_again(build: Build, cut: None) -> None:
    sink = Scripted("app", raising(lambda: Unavailable("gone")))
    house = await build(sink)
    store: Any = house.store
    await house.put(event(1), event(2))
    await house.calm()

    async def cut_off(delivery: Delivery) -> None:
        store.away = True

    sink.script = cut_off
    house.clock.advance(7)
    await eventually(lambda: store.away)
    sink.script = None
    await asyncio.sleep(0.01)
    store.away = False
    await house.later(60)
    await eventually(lambda: house.rows() == ["delivered"] * 2)


async def test_a_lease_that_cannot_be_renewed_is_not_sent(build: Build, cut: None) -> None:
    gate = asyncio.Event()

    async def wait(delivery: Delivery) -> None:
        if delivery.event.id == event(1).id:
            await gate.wait()
            store.away = True

    sink = Scripted("app", wait)
    house = await build(sink, delivery={"concurrency": 1})
    store: Any = house.store
    await house.put(event(1), event(2))
    await eventually(lambda: len(sink.seen) == 1)
    house.clock.advance(26)
    gate.set()
    await eventually(lambda: house.counted("app", "lost") == 1)
    assert len(sink.seen) == 1
    store.away = False
    await house.later(60)
    await eventually(lambda: house.rows() == ["delivered"] * 2)


async def test_a_bug_in_a_claim_is_logged_and_the_lane_goes_on(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    house = await build(Scripted())
    await house.fill(1)
    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(claimer.Claimer, "_ask", broken)
        house.dispatcher.wake("app")
        await eventually(lambda: "claim_failed" in [line["event"] for line in logs])
    await house.later(2)
    await eventually(lambda: house.rows() == ["delivered"])


async def test_a_bug_in_the_poll_is_logged_and_the_poll_goes_on(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    house = await build(Scripted())
    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr("gateway.dispatch.dispatcher.Dispatcher._count", broken)
        await house.later(8)
    assert "poll_failed" in [line["event"] for line in logs]
    await house.fill(1)
    await house.later(2)
    await eventually(lambda: house.rows() == ["delivered"])


async def broken(*given: Any) -> Any:
    raise AssertionError("a bug of ours")
