"""Threads and timers that were seen to end for ever at an exception: without memory anything may fail, once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.egress.worker import BlockingWorker
from gateway.plugin.hooks import WatchThreads
from gateway.runtime.line_writer import LineWriter
from gateway.runtime.metrics import Metrics
from gateway.store.postgres import deadline
from gateway.store.postgres.deadline import Deadlines
from gateway.watchdog import Watchdog
from tests import threads
from tests.patience import PATIENCE_S, eventually, until

DIES = "ignore::pytest.PytestUnhandledThreadExceptionWarning"


def fails_first(monkeypatch: pytest.MonkeyPatch, place: object, name: str, times: int = 1) -> list[int]:
    """Let its first calls find no memory; how many were made is counted."""
    work, calls = getattr(place, name), list[int]()

    def call(*given: Any, **more: Any) -> Any:
        calls.append(len(calls))
        if len(calls) <= times:
            raise MemoryError
        return work(*given, **more)

    monkeypatch.setattr(place, name, call)
    return calls


async def test_the_watchdog_watches_on_after_a_look_that_failed() -> None:
    class Loop:
        """Fails at the first look, and does not turn at the others."""

        looks: deque[Exception] = deque([MemoryError()])

        def call_soon_threadsafe(self, _: Callable[[], object]) -> None:
            if self.looks:
                raise self.looks.popleft()

    metrics = Metrics()
    dog = Watchdog(metrics.loop_blocked, threshold=0.01)
    with capture_logs() as logs:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(asyncio, "get_running_loop", Loop)
            dog.start()
        await eventually(lambda: metrics.registry.get_sample_value("recording_gateway_loop_blocked_total") or 0)
    dog.stop()
    assert ("background_failed", "watchdog") in [(line["event"], line.get("what")) for line in logs]


def test_statements_are_cut_off_after_a_look_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "LOOK_SECONDS", 0.01)
    calls = fails_first(monkeypatch, deadline, "_shut")
    deadlines = Deadlines()
    near, far = socket.socketpair()
    with contextlib.closing(near), contextlib.closing(far):
        far.settimeout(PATIENCE_S)
        deadlines.add()
        with deadlines.ends_within(near.fileno(), 0.0):
            assert far.recv(1) == b""  # its server sees that it is closed
        deadlines.remove()
    assert len(calls) == 2


@pytest.mark.filterwarnings(DIES)
async def test_blocking_work_is_done_after_its_thread_died() -> None:
    worker = BlockingWorker("dies")
    assert await worker.run(lambda: 1) == 1
    died = worker._thread
    assert died is not None
    worker._jobs.put((lambda: 2, None))  # type: ignore[arg-type]  # what no one can be told of
    await asyncio.to_thread(threads.end, died)
    async with asyncio.timeout(PATIENCE_S):
        assert await worker.run(lambda: 3) == 3
    await worker.close()


@pytest.mark.filterwarnings(DIES)
def test_a_plugin_that_watches_is_told_on_where_its_failure_could_not_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    watching = WatchThreads(Metrics().watch_calls_dropped)

    def fails() -> None:
        raise MemoryError

    watching.enqueue("plugin", "event_stored", fails, 1)
    watching.enqueue("plugin", "event_stored", told.set, 1)
    assert told.wait(PATIENCE_S)
    assert watching.close(PATIENCE_S)


@pytest.mark.filterwarnings(DIES)
@pytest.mark.parametrize("part", ["_next_lines", "_write"])
def test_lines_are_written_after_a_batch_that_found_no_memory(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, descriptor = os.pipe()
    fails_first(monkeypatch, LineWriter, part)
    writer = LineWriter(descriptor, lambda lines: f"dropped {lines}")
    os.close(descriptor)
    writer.write_line("one")
    until(lambda: not writer._writing or not writer._waiting or None)
    writer.write_line("two")
    assert writer.flush(PATIENCE_S)
    with open(reader, "rb", closefd=True) as read:
        assert b"two\n" in read.read1()
