"""Limits of time with one timer end as `asyncio.timeout` does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.runtime.time_limits import TimeLimit, TimeLimits

SHORT, LONG = 0.01, 60.0


async def cut_off(limits: TimeLimits, work: Callable[[TimeLimit], Awaitable[object]]) -> object:
    with limits.limited() as limit:
        return await work(limit)


async def forever(_limit: TimeLimit) -> None:
    await asyncio.Event().wait()


async def stubborn(_limit: TimeLimit) -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "went on"
    return ""


async def test_what_takes_too_long_is_cut_off_and_its_task_goes_on() -> None:
    limits = TimeLimits(SHORT)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await cut_off(limits, forever)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_who_swallows_it_has_its_answer_and_the_limit_says_that_it_is_over() -> None:
    limits, seen = TimeLimits(SHORT), []

    async def work(limit: TimeLimit) -> str:
        seen.append(limit)
        return await stubborn(limit)

    assert await cut_off(limits, work) == "went on"
    assert seen[0].expired


async def test_a_cancellation_from_outside_is_one() -> None:
    limits = TimeLimits(LONG)
    task = asyncio.ensure_future(cut_off(limits, forever))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_from_outside_at_the_same_time_stays_one() -> None:
    limits, made = TimeLimits(SHORT), []

    async def work(limit: TimeLimit) -> None:
        made.append(limit)
        await asyncio.Event().wait()

    task = asyncio.ensure_future(cut_off(limits, work))
    await asyncio.sleep(0)
    made[0].expire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_many_end_in_the_order_in_which_they_come_due_and_one_that_gets_on_has_all_its_time() -> None:
    limits, ended, made = TimeLimits(0.05), [], []

    async def work(number: int) -> None:
        try:
            with limits.limited() as limit:
                made.append(limit)
                await asyncio.Event().wait()
        except TimeoutError:
            ended.append(number)

    tasks = [asyncio.ensure_future(work(number)) for number in range(4)]
    await asyncio.sleep(0)
    due = made[0].at
    made[0].restart()
    assert made[0].at >= due
    await asyncio.gather(*tasks)
    assert ended == [1, 2, 3, 0]


async def test_one_that_has_ended_is_not_begun_again_by_a_late_word() -> None:
    limits = TimeLimits(SHORT)
    with limits.limited() as limit:
        pass
    limit.restart()
    await asyncio.sleep(2 * SHORT)
    assert not limit.expired


async def test_nothing_is_left_behind() -> None:
    limits = TimeLimits(LONG)
    with limits.limited(), limits.limited():
        assert len(limits.running) == 2
    assert not limits.running
    assert not limits._timer


async def test_one_that_could_not_begin_cuts_nothing_off_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task lives on, and would be stopped in the middle of whatever it does by then."""
    limits, loop = TimeLimits(SHORT), asyncio.get_running_loop()

    def no_memory(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as short:
        short.setattr(loop, "call_at", no_memory)
        with pytest.raises(MemoryError):
            limits.limited()
    with pytest.raises(TimeoutError):
        await asyncio.ensure_future(cut_off(limits, forever))  # its timer looks at all that run
    assert not limits.running


def test_it_goes_on_in_another_loop() -> None:
    limits = TimeLimits(SHORT)

    async def leave() -> None:
        limits.limited().__enter__()

    async def cut() -> None:
        with pytest.raises(TimeoutError):
            await cut_off(limits, forever)

    asyncio.run(leave())
    asyncio.run(cut())


async def test_a_limit_is_of_a_task_and_of_nothing_else() -> None:
    limits, loop = TimeLimits(LONG), asyncio.get_running_loop()
    refused = loop.create_future()

    def begin() -> None:
        with pytest.raises(RuntimeError, match="a time limit is of a task"):
            limits.limited()
        refused.set_result(None)

    loop.call_soon(begin)
    await refused
