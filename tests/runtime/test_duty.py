"""Each duty has a task of its own: one that fails is tried again, one that hangs is seen to be late, and no other is late by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from gateway.errors import StoreUnavailable
from gateway.runtime.background import WORK_PAUSE_SECONDS, WORK_PAUSE_SECONDS_MAX, Bell, end_tasks
from gateway.runtime.clock import FrozenClock
from gateway.runtime.duty import LATE_SECONDS_MAX, Duties
from gateway.runtime.metrics import Metrics

EVERY = 10.0


async def pass_time(clock: FrozenClock, seconds: float, step: float = 0.5) -> None:
    """On this clock, with turns of the loop in between."""
    for _ in range(round(seconds / step)):
        for _ in range(5):
            await asyncio.sleep(0)
        clock.advance(step)
    for _ in range(5):
        await asyncio.sleep(0)


class Passes:
    """When each pass began, and what it does: nothing, hang, or fail."""

    def __init__(self, clock: FrozenClock, act: Callable[[int], object] = lambda _: None) -> None:
        self._clock, self._act = clock, act
        self.began: list[float] = []

    async def __call__(self) -> float | None:
        self.began.append(self._clock.monotonic())
        match self._act(len(self.began)):
            case BaseException() as error:
                raise error
            case "hang":
                await asyncio.Event().wait()
            case float() as rest:
                return rest
        return None


@pytest.mark.parametrize(
    "ill",
    ["hang", RuntimeError("a bug"), StoreUnavailable("away"), asyncio.QueueFull(), asyncio.CancelledError()],
    ids=repr,
)
async def test_one_that_hangs_or_fails_makes_no_other_late(ill: object) -> None:
    clock = FrozenClock()
    duties = Duties(clock)
    sick, well = Passes(clock, lambda _: ill), Passes(clock)
    tasks = [duties.run_every("sick", sick, EVERY), duties.run_every("well", well, EVERY)]
    with capture_logs():
        await pass_time(clock, 60)
    assert well.began == [0, 10, 20, 30, 40, 50, 60]
    assert duties.late() == {"sick": 50, "well": 0}
    assert not any(task.done() for task in tasks)
    await end_tasks(*tasks)
    assert (duties.late(), [task.cancelled() for task in tasks]) == ({}, [True, True])


async def test_each_kind_of_failure_is_said_once_with_growing_rests_until_it_goes_well() -> None:
    def ends(number: int) -> object:
        return StoreUnavailable("away") if number < 5 else KeyError("ours") if number == 5 else None

    clock = FrozenClock()
    metrics = Metrics(clock)
    work = Passes(clock, ends)
    with capture_logs() as logs:
        task = Duties(clock, metrics).run_every("poll", work, 1.0)
        await pass_time(clock, 20)
    said = [(line["event"], line["what"], line.get("error"), line.get("failures")) for line in logs]
    assert said == [
        ("background_failed", "poll", "away", None),
        ("background_failed", "poll", "KeyError", None),
        ("background_goes_on", "poll", None, 5),
    ]
    assert ["exc_info" in line for line in logs[:2]] == [False, True]  # a traceback is for what is ours to mend
    rests = [after - before for before, after in zip(work.began, work.began[1:], strict=False)]
    assert rests[:6] == [WORK_PAUSE_SECONDS, 2, 4, WORK_PAUSE_SECONDS_MAX, WORK_PAUSE_SECONDS_MAX, 1]
    assert metrics.registry.get_sample_value("recording_gateway_duty_failures_total", {"duty": "poll"}) == 5
    await end_tasks(task)


async def test_a_pass_says_how_long_to_rest_and_a_bell_brings_the_next_one_forward() -> None:
    clock = FrozenClock()
    bell = Bell(clock)
    work = Passes(clock, lambda number: 2.0 if number == 1 else None)
    task = Duties(clock).run_every("news", work, EVERY, first=1.0, bell=bell)
    await pass_time(clock, 5)
    assert work.began == [1, 3]
    bell.ring()
    await pass_time(clock, 0.5)
    assert work.began == [1, 3, 5]
    await end_tasks(task)


async def test_how_late_each_is_can_be_read_while_it_hangs_and_a_person_is_told_in_the_end() -> None:
    clock = FrozenClock()
    metrics = Metrics(clock)
    duties = Duties(clock, metrics)
    patient = Passes(clock, lambda _: "hang")
    tasks = [
        duties.run_every("retention", patient, EVERY, patience=2 * LATE_SECONDS_MAX),
        duties.run_every("serving", Passes(clock, lambda number: "hang" if number > 1 else None), EVERY),
    ]

    def late(name: str) -> float | None:
        metrics.text()
        return metrics.registry.get_sample_value("recording_gateway_duty_late_seconds", {"duty": name})

    await pass_time(clock, 10)
    assert (late("retention"), late("serving")) == (0, 0)
    await pass_time(clock, LATE_SECONDS_MAX + 20, step=1.0)
    assert (late("retention"), late("serving")) == (LATE_SECONDS_MAX + 20, LATE_SECONDS_MAX + 20)
    assert duties.very_late() == [("serving", LATE_SECONDS_MAX + 20)]
    await end_tasks(*tasks)
    assert late("serving") is None


async def test_one_that_is_cancelled_ends_and_one_that_cancels_itself_too() -> None:
    """What cancels a duty is its owner; an error that says so of something it waited for is a failure like others."""
    clock = FrozenClock()

    async def cancels() -> None:
        task.cancel()
        await asyncio.Event().wait()

    task = Duties(clock).run_every("ends", cancels, EVERY)
    await asyncio.wait([task])
    assert task.cancelled()
