"""The thread for blocking work: in order, one at a time, and never in the way of the process."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.egress.worker import BlockingWorker
from tests.patience import PATIENCE_S


async def test_jobs_run_in_order_on_one_thread_that_is_not_the_loops() -> None:
    worker = BlockingWorker("order")
    done: list[tuple[int, str]] = []

    def job(number: int) -> int:
        done.append((number, threading.current_thread().name))
        return number

    assert await asyncio.gather(*(worker.run(lambda n=n: job(n)) for n in range(20))) == list(range(20))  # type: ignore[misc]
    assert done == [(number, "order") for number in range(20)]
    await worker.close()


async def test_what_a_job_raises_comes_to_its_caller_and_the_next_job_runs() -> None:
    worker = BlockingWorker("raise")

    def fail() -> None:
        raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        await worker.run(fail)
    assert await worker.run(lambda: 1) == 1
    await worker.close()


async def test_a_job_cancelled_while_it_waits_is_never_begun() -> None:
    worker = BlockingWorker("cancel")
    go, begun = threading.Event(), threading.Event()
    ran: list[int] = []

    def block() -> None:
        begun.set()
        go.wait(PATIENCE_S)

    first = asyncio.create_task(worker.run(block))
    await asyncio.to_thread(begun.wait, 10)
    second = asyncio.create_task(worker.run(lambda: ran.append(2)))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go.set()
    await first
    await worker.run(lambda: ran.append(3))
    assert ran == [3]
    await worker.close()


async def test_closing_does_not_wait_for_a_thread_that_is_stuck() -> None:
    worker = BlockingWorker("stuck")
    go = threading.Event()
    stuck = asyncio.create_task(worker.run(lambda: go.wait(PATIENCE_S)))
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        await worker.close(timeout=0.05)
    go.set()
    await stuck


async def test_closing_ends_the_thread_and_closing_twice_is_well() -> None:
    worker = BlockingWorker("ends")
    await worker.close()
    await worker.run(lambda: None)
    thread = worker._thread
    assert thread is not None
    assert thread.daemon
    await worker.close()
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()
    await worker.close()
