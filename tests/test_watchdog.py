"""A blocked event loop is noticed, counted and named. Here it is blocked for real, for a few hundredths of a second."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.model import Delivery
from gateway.runtime.metrics import Metrics
from gateway.watchdog import _FRAMES_MAX, Watchdog, culprit
from tests import threads
from tests.dispatch.conftest import Scripted
from tests.patience import PATIENCE_S

THRESHOLD = 0.03


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def dog(metrics: Metrics) -> Iterator[Watchdog]:
    made = Watchdog(metrics.loop_blocked, threshold=THRESHOLD)
    yield made
    made.stop()


def blocked(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("recording_gateway_loop_blocked_total")


def block(metrics: Metrics, least: float) -> None:
    """Hold the loop until the watchdog has counted `least` stalls: blocking, but hardly longer than it takes. Nearly all of it is
    spent here, because the look at the count is code of others, and would be named."""
    until = time.monotonic() + PATIENCE_S
    while (blocked(metrics) or 0) < least and time.monotonic() < until:
        time.sleep(2 * THRESHOLD)


class Blocking(Scripted):
    """A sink with a blocking call in it."""

    metrics: Metrics

    async def deliver(self, delivery: Delivery) -> str | None:
        block(self.metrics, 1)
        return None


async def test_a_sink_that_blocks_the_loop_is_named_with_file_and_line(dog: Watchdog, metrics: Metrics) -> None:
    sink = Blocking("slow")
    sink.metrics = metrics
    dog.start()
    with capture_logs() as logs:
        await sink.deliver(None)  # type: ignore[arg-type]
    (line,) = logs
    assert line["event"] == "loop_blocked"
    assert line["sink"] == "slow"
    assert line["seconds"] >= THRESHOLD
    assert f"{Path(__file__).name}:" in line["at"]
    assert line["at"].endswith("in block")


async def test_one_stall_is_reported_once_however_long(dog: Watchdog, metrics: Metrics) -> None:
    dog.start()
    with capture_logs() as logs:
        block(metrics, 1)
        until = time.monotonic() + THRESHOLD * 4
        while time.monotonic() < until:
            time.sleep(0.001)  # noqa: ASYNC251  it has to block
    assert len(logs) == 1
    assert "sink" not in logs[0]


async def test_a_second_stall_is_reported_again(dog: Watchdog, metrics: Metrics) -> None:
    dog.start()
    with capture_logs() as logs:
        for stalls in (1, 2):
            block(metrics, stalls)
            await asyncio.sleep(THRESHOLD)  # the loop turns
    assert len(logs) == blocked(metrics) == 2


async def test_a_loop_that_turns_is_left_alone(dog: Watchdog, metrics: Metrics) -> None:
    """A busy machine may hold up the whole process, and then it is right to say so: the pauses are counted here too."""
    dog.start()
    pauses, calm, last = 0, 0.0, time.monotonic()
    while calm < THRESHOLD * 6:
        await asyncio.sleep(0)
        took, last = time.monotonic() - last, time.monotonic()
        pauses += took >= THRESHOLD / 3  # a sign of life takes two turns
        calm += min(took, THRESHOLD / 3)
    assert (blocked(metrics) or 0) <= pauses


def test_a_loop_that_was_closed_ends_the_watch(metrics: Metrics) -> None:
    async def begin() -> Watchdog:
        made = Watchdog(metrics.loop_blocked, threshold=THRESHOLD)
        made.start()
        return made

    made = asyncio.run(begin())
    watching = [thread for thread in threading.enumerate() if thread.name == "watchdog"]
    for thread in watching:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    made.stop()


async def test_stopping_from_the_loop_itself_does_not_wait_for_that_loop(metrics: Metrics) -> None:
    class Silent:
        """A loop that never answers: the thread waits for it, as it does when the loop waits for the thread."""

        asked = threading.Event()

        def call_soon_threadsafe(self, call: Any) -> None:
            self.asked.set()

    made = Watchdog(metrics.loop_blocked, threshold=THRESHOLD)
    watching = made._thread = threads.start(made._watch, Silent(), threading.get_ident())
    assert Silent.asked.wait(PATIENCE_S)
    made._threshold = 60  # whatever the thread waits for from here on
    made.stop()
    assert not watching.is_alive()
    made.stop()  # twice is once


def test_where_only_the_library_is_on_the_stack_the_innermost_frame_is_named() -> None:
    frames: list[dict[str, str]] = []
    code = compile("import sys\ndef f(seen): seen(sys._getframe())\n", "/usr/lib/asyncio/x.py", "exec")
    space: dict[str, Any] = {}
    exec(code, space)
    space["f"](lambda frame: frames.append(culprit(frame)))
    assert frames[0]["at"].startswith(str(Path(__file__)))  # this test, below the library's frame


def test_of_a_deep_stack_only_so_much_is_looked_at() -> None:
    class Deep:
        """What a sink that is found would be named by."""

        name, origin = "deep", ""

        def dive(self, left: int) -> dict[str, str]:
            return dive(left)

    def dive(left: int) -> dict[str, str]:
        return dive(left - 1) if left else culprit(sys._getframe())

    facts = Deep().dive(_FRAMES_MAX)
    assert facts["at"].endswith("dive")
    assert "sink" not in facts
