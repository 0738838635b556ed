"""One slow, broken or poisoned sink or event hurts nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.dispatch import deliverer, workers
from gateway.dispatch.leased_delivery import Dispatch
from gateway.model import Delivery
from gateway.plugin.hookspecs import hookimpl
from gateway.runtime.time_limits import TimeLimits
from tests.patience import PATIENCE_S, eventually

from .conftest import Build, Scripted, event, forever, policy


async def test_a_sink_that_never_answers_leaves_the_others_their_latency(build: Build) -> None:
    """Each of the others' goes from the door to its sink while no time passes here, and none of the stuck ones ends."""
    healthy, stuck = Scripted("healthy"), Scripted("stuck", forever)
    house = await build(healthy, stuck, delivery={"timeout": "1h"})
    await house.put(*[event(number) for number in range(1000, 1100)], to=["stuck"])
    await eventually(lambda: len(stuck.seen) == 4)
    for number in range(40):
        await house.put(event(number))
        await eventually(lambda number=number: len(healthy.seen) == number + 1)  # type: ignore[misc]
    assert (len(stuck.seen), stuck.under_way) == (4, 4)
    assert house.rows("count(*)", "sink = 'stuck' and state = 'delivered'") == [0]


async def test_an_event_that_always_crashes_its_sink_leaves_other_events_their_latency(build: Build) -> None:
    poison = {event(number).id for number in range(1000, 1004)}

    async def crash(delivery: Delivery) -> None:
        if delivery.event.id in poison:
            raise SystemExit(1)

    sink = Scripted("app", crash)
    house = await build(sink, delivery={"retry": {"initial": "1ms", "max": "1ms"}})
    await house.put(*[event(number) for number in range(1000, 1004)])
    for number in range(40):
        house.clock.advance(0.1)
        await house.put(event(number))
    await eventually(lambda: house.rows("count(*)", "state = 'delivered'") == [40])
    await eventually(lambda: house.rows("count(*)", "state = 'waiting' and attempts > 0") == [4])
    assert house.value("circuit_open", sink="app") == 0


@pytest.mark.wide
async def test_ten_thousand_retries_do_not_starve_what_is_fresh_nor_the_reverse(build: Build) -> None:
    order: list[int] = []
    fresh_ids: set[str] = set()

    async def note(delivery: Delivery) -> None:
        order.append(1 if delivery.event.id in fresh_ids else 0)
        await asyncio.sleep(0)

    house = await build(Scripted("app", note), delivery={"concurrency": 8})
    await house.fill(10_000)
    house.write("UPDATE deliveries SET rank = 1, attempts = 1, first_at = 0, due_at = 0")
    house.dispatcher.wake("app")
    for number in range(200):
        fresh_ids.add(event(number).id)
        await house.put(event(number))
    await eventually(lambda: sum(order) == 200)
    assert len(order) < 5000  # the fresh were all served long before the last retry
    assert order.count(0) > 50  # and the retries did not wait for them


class Stubborn(Scripted):
    """Does not let itself be cancelled until it is told to."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.free = asyncio.Event()
        self.stubborn = True

    async def deliver(self, delivery: Delivery) -> str | None:
        self.seen.append(delivery)
        until = time.monotonic() + PATIENCE_S  # because a test that fails must be able to close its loop
        while self.stubborn and not self.free.is_set() and time.monotonic() < until:
            with contextlib.suppress(asyncio.CancelledError, TimeoutError):
                await asyncio.wait_for(self.free.wait(), 1)
        return "late"


async def test_a_sink_that_swallows_its_cancellation_loses_its_worker_and_its_word(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "CANCELLED_SECONDS_MAX", 0.01)
    sink = Stubborn("app")
    house = await build(sink, delivery={"timeout": "100ms", "concurrency": 2})
    await house.put(event(1), event(2))
    await eventually(lambda: len(sink.seen) == 2)
    until = asyncio.get_running_loop().time() + 0.2  # the timeout and the patience with the stubborn
    await eventually(lambda: asyncio.get_running_loop().time() > until)
    await house.later(1)
    await eventually(lambda: house.rows("state, attempts") == [("waiting", 1)] * 2)
    assert "does not let itself be stopped" in house.attempts("detail")[0]
    sink.stubborn = False
    await house.put(event(3))  # there are workers again
    await eventually(lambda: house.rows("state", "id = 3") == ["delivered"])
    sink.free.set()
    await house.calm()
    assert house.rows("state", "id < 3") == ["waiting"] * 2  # what they said at last was not heard
    assert house.attempts() == ["retry", "retry", "delivered"]


class Waiting:
    """A worker that waits inside a time limit of 20 ms; `timer_lost`: nothing calls the limit."""

    def __init__(self, *, timer_lost: bool = False) -> None:
        self.pool = workers.WorkerPool("app", 1)
        self.ends: list[str] = []
        self._limits = TimeLimits(0.02)
        self._timer_lost = timer_lost
        self._under_way = asyncio.Event()
        self.pool.serve(self._carry, lambda waiting: waiting.popleft(), lambda _: True)

    async def begin(self) -> None:
        self.pool.start()
        self.pool.add(Dispatch([]))
        await self._under_way.wait()

    async def _carry(self, dispatch: Dispatch) -> None:
        try:
            with self._limits.limited() as silence:
                dispatch.bounded_by(silence)
                if self._timer_lost:
                    self._limits.rest()
                self._under_way.set()
                await asyncio.Event().wait()
        except TimeoutError:
            self.ends.append("timeout")

    async def is_cut_off_in_time(self) -> None:
        await eventually(lambda: self.pool.replace_stuck(0.02) == [] and self.ends == ["timeout"])
        assert await self.pool.drain(PATIENCE_S) == []


async def test_a_process_that_stood_still_does_not_blame_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped for a minute (SIGSTOP, a laptop's lid), it looks at its workers before it cancelled any."""
    monkeypatch.setattr(workers, "CANCELLED_SECONDS_MAX", 0.01)
    waiting = Waiting()
    await waiting.begin()
    until = time.monotonic() + 0.1
    while time.monotonic() < until:  # nothing of the loop runs
        pass
    assert waiting.pool.replace_stuck(0.02) == []
    await waiting.is_cut_off_in_time()


async def test_a_time_limit_whose_timer_was_lost_cuts_off_when_the_workers_are_looked_at() -> None:
    """Without memory for a moment the timer is not set again, and a worker that waits would have its slot for ever."""
    waiting = Waiting(timer_lost=True)
    await waiting.begin()
    await waiting.is_cut_off_in_time()


async def test_the_end_does_not_wait_for_a_sink_that_swallows_its_cancellation(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "LAST_WAIT_SECONDS", 0.01)
    sink = Stubborn("app")
    house = await build(sink)
    await house.put(event(1))
    await eventually(lambda: len(sink.seen) == 1)
    await asyncio.wait_for(house.close(0.01), PATIENCE_S)
    assert house.rows("state, attempts") == [("waiting", 1)]
    assert house.attempts() == ["retry"]
    sink.free.set()


@pytest.mark.parametrize(
    "given",
    [None, "ok", [1], [], ["a", "b"], [SystemExit()]],
    ids=["none", "text", "number", "none of one", "two", "exit"],
)
async def test_nonsense_of_a_wrapper_is_a_retry_that_names_it(build: Build, given: Any) -> None:
    class Odd:
        @hookimpl(wrapper=True)
        def deliver(self, deliveries: Any, sink: Any) -> Any:
            yield
            if given is None:
                return None

            async def odd() -> Any:
                return given

            return odd()

    house = await build(Scripted(), plugins=[Odd()])
    await house.put(event(1))
    await eventually(lambda: house.rows("state, attempts") == [("waiting", 1)])
    assert "plugin" in house.attempts("detail")[0]


async def test_a_hundred_receipts_in_a_row_that_no_database_takes_are_all_written(build: Build) -> None:
    async def odd(delivery: Delivery) -> str:
        return "\0\ud800" + "x" * 100_000

    house = await build(Scripted("app", odd))
    await house.put(*[event(number) for number in range(100)])
    await eventually(lambda: house.rows("count(*)", "state = 'delivered'") == [100])


async def test_a_mistake_of_our_own_in_a_worker_costs_one_attempt_not_the_worker(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await build(Scripted(), app=policy(concurrency=1))
    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(deliverer, "carry", raising_always)
        await house.put(event(1))
        await eventually(lambda: house.counted("app", "lost") == 1)
    assert "attempt_broken" in [line["event"] for line in logs]
    await house.put(event(2))
    await eventually(lambda: house.rows("state", "id = 2") == ["delivered"])
    await house.later(46)
    await eventually(lambda: house.rows("state, attempts", "id = 1") == [("delivered", 2)])
    assert house.attempts() == ["lost", "delivered", "delivered"]


async def raising_always(*given: Any) -> Any:
    raise AssertionError("a bug of ours")
