"""While the store is away nothing is lost, and nothing is sent that was not to be sent."""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.dispatch import claimer
from gateway.errors import ItemRefused, StoreUnavailable, Unavailable
from gateway.model import Delivery
from gateway.runtime.background import WORK_PAUSE_SECONDS_MAX
from gateway.store.records import Due, Gate, Lease, Settlement
from gateway.store.store import Store
from tests.patience import eventually

from .conftest import Build, House, Scripted, event, forever, policy, raising


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


async def test_a_claim_under_way_at_the_end_goes_back(build: Build, cut: None) -> None:
    sink = Scripted()
    house = await build(sink)
    await house.fill(5)
    house.dispatcher.wake("app")
    await asyncio.sleep(0)  # the lane has sent its claim
    await house.close()
    assert set(house.rows("state")) <= {"waiting", "delivered"}
    assert house.rows("count(*)", "state = 'waiting' and attempts > 0") == [0]


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
    polls = [line for line in logs if line["event"] == "background_failed" and line["what"] == "poll"]
    assert len(polls) == 1


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
        patched.setattr("gateway.dispatch.poll.LanePoll._poll_once", broken)
        await house.later(8)
    assert ("background_failed", "poll") in [(line["event"], line.get("what")) for line in logs]
    await house.fill(1)
    await house.later(WORK_PAUSE_SECONDS_MAX)
    await eventually(lambda: house.rows() == ["delivered"])


async def broken(*given: Any) -> Any:
    raise AssertionError("a bug of ours")
