"""One daemon thread that does a sink's blocking work in order, so that a stuck disk or pipe stops nobody else."""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from gateway.model import Event

T = TypeVar("T")
LARGE_EVENT_FILES: Final = 50  # files of all events together; to write out more takes over a few milliseconds
LARGE_EVENT_BYTES: Final = 32 * 1024  # of what their vendors sent
_Job = tuple[Callable[[], Any], "concurrent.futures.Future[Any]"]


async def computed(job: Callable[[], T], events: Iterable[Event]) -> T:
    """What `job` makes of these events: at once where they are small, else in a thread, because one large event would
    make every other callback and delivery wait. The job must not touch what the loop changes."""
    files, octets = 0, 0
    for event in events:
        files += len(event.files)
        octets += len(event.raw)
    if files <= LARGE_EVENT_FILES and octets <= LARGE_EVENT_BYTES:
        return job()
    return await asyncio.to_thread(job)


def is_small(event: Event) -> bool:
    """Whether what is made of this event is made at once: `computed` of one, for where each microsecond counts."""
    return len(event.files) <= LARGE_EVENT_FILES and len(event.raw) <= LARGE_EVENT_BYTES


class BlockingWorker:
    """Runs plain functions one after another. A daemon, because a thread stuck in a write must not keep the process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, job: Callable[[], T]) -> T:
        """What the function returns or raises. Cancelled while it waits, it is never begun; begun, it runs to its end."""
        if self._thread is None or not self._thread.is_alive():  # it may have died where there was no memory
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        self._jobs.put((job, future))
        return await asyncio.wrap_future(future)

    async def close(self, timeout: float = 3.0) -> None:
        """End the thread after the jobs before this, waiting `timeout` seconds at most."""
        if self._thread is None:
            return
        try:
            async with asyncio.timeout(timeout):
                await self.run(_nothing)
        except TimeoutError:
            pass  # it is stuck; as a daemon it ends with the process
        self._jobs.put(None)
        self._thread = None

    def _work(self) -> None:
        while (entry := self._jobs.get()) is not None:
            job, future = entry
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = job()
            except BaseException as error:  # whatever it is belongs to the one who waits
                future.set_exception(error)
            else:
                future.set_result(result)
            del job, future, entry  # because they would keep the last event alive


def _nothing() -> None:
    return None
