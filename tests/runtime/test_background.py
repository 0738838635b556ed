"""A bell is heard once by whoever waits, and tasks that are ended have ended."""

from __future__ import annotations

import asyncio
import threading

import pytest
from structlog.testing import capture_logs

from gateway.runtime import background
from gateway.runtime.background import (
    WORK_PAUSE_SECONDS,
    WORK_PAUSE_SECONDS_MAX,
    Bell,
    LoopFailures,
    end_tasks,
    run_tirelessly,
    tireless,
)
from gateway.runtime.clock import FrozenClock


async def waited(bell: Bell, seconds: float = 5.0) -> asyncio.Task[None]:
    waiting = asyncio.create_task(bell.wait(seconds))
    for _ in range(3):
        await asyncio.sleep(0)
    return waiting


async def test_whoever_waits_goes_on_when_the_time_is_over_or_when_it_rings() -> None:
    clock = FrozenClock()
    bell = Bell(clock)
    slow, quick = await waited(bell), await waited(bell)
    assert not slow.done()
    clock.advance(5.0)
    await asyncio.gather(slow, quick)
    rung = await waited(bell)
    bell.ring()
    await rung


async def test_what_rings_while_nobody_waits_is_heard_once() -> None:
    bell = Bell(FrozenClock())
    bell.ring()
    bell.ring()
    await bell.wait(5.0)
    again = await waited(bell)
    assert not again.done()
    again.cancel()


async def test_tasks_are_ended_whatever_they_end_with() -> None:
    ended: list[str] = []

    async def stubborn() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            ended.append("stubborn")
            raise ValueError("it breaks on its way out")

    async def quick() -> None:
        ended.append("quick")

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(quick())]
    await asyncio.sleep(0)
    await end_tasks(None, *tasks)
    assert sorted(ended) == ["quick", "stubborn"]
    assert all(task.done() for task in tasks)


@pytest.mark.parametrize("failure", [MemoryError, asyncio.CancelledError])  # the other: of what it waited for
async def test_what_fails_begins_anew_after_a_pause_until_it_ends_or_is_cancelled(failure: type[BaseException]) -> None:
    clock, begun = FrozenClock(), []

    async def work() -> None:
        begun.append(clock.monotonic())
        if len(begun) < 3:
            raise failure
        if len(begun) == 3:
            await asyncio.Event().wait()

    task = tireless("work", work, clock)
    for _ in range(5):
        for _ in range(3):
            await asyncio.sleep(0)
        clock.advance(WORK_PAUSE_SECONDS)
    assert begun == [0.0, WORK_PAUSE_SECONDS, 3 * WORK_PAUSE_SECONDS]  # twice as long the second time
    assert not task.done()
    await end_tasks(task)
    assert task.cancelled()
    await tireless("work", work, clock)  # what has ended is not begun again
    assert len(begun) == 4


async def test_what_went_well_for_a_while_before_it_failed_is_tried_again_soon_and_said_again() -> None:
    clock, begun = FrozenClock(), []

    async def work() -> None:
        begun.append(clock.monotonic())
        await clock.sleep(2 * WORK_PAUSE_SECONDS_MAX)
        raise MemoryError

    with capture_logs() as logs:
        task = tireless("work", work, clock)
        for _ in range(60):
            for _ in range(5):
                await asyncio.sleep(0)
            clock.advance(0.5)
    assert begun == [0.0, 11.0, 22.0]
    assert [line["event"] for line in logs] == ["background_failed", "background_goes_on", "background_failed"]
    await end_tasks(task)


def test_a_thread_goes_on_whatever_it_fails_with(monkeypatch: pytest.MonkeyPatch) -> None:
    over, begun = threading.Event(), []

    def work() -> None:
        begun.append(1)
        if len(begun) < 3:
            raise MemoryError
        if len(begun) == 3:
            raise RuntimeError("another kind")

    monkeypatch.setattr("gateway.runtime.background.WORK_PAUSE_SECONDS", 0.001)
    with capture_logs() as logs:
        run_tirelessly("work", work, over)
    assert len(begun) == 4
    assert [line["error"] for line in logs if line["event"] == "background_failed"] == ["MemoryError", "RuntimeError"]
    over.set()
    run_tirelessly("work", work, over)
    assert len(begun) == 4


def test_a_failure_that_cannot_even_be_said_is_rested_after_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*_: object) -> None:
        raise MemoryError

    failures = LoopFailures("look")
    monkeypatch.setattr(background, "_say_failed", no_memory)
    assert failures.note(ValueError("x")) == WORK_PAUSE_SECONDS
