"""Threads of a sink's own for a disk that may hang, so that one that does stops no other sink, and no exit."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from typing import Final, TypeVar

from gateway import BlockingWorker, Retry, Unavailable

THREADS: Final = 6  # of a disk, where nobody says how many

_WHOLE_DISK_ERRNOS: Final = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO", "ESTALE", "ENOENT", "ENOTDIR", "ELOOP")
)

T = TypeVar("T")


class InUse(OSError):
    """Somebody else has this file in hand."""


class Disk:
    """A few daemon threads, begun when they are wanted. One that hangs is not used until it is free again."""

    def __init__(self, name: str, threads: int = THREADS) -> None:
        self._free = [BlockingWorker(f"{name} {number}") for number in range(threads)]
        self._all = tuple(self._free)
        self._places = asyncio.Semaphore(threads)

    async def work(self, job: Callable[[], T], place: object) -> T:
        """What the job returns or raises; of an OSError, what it means of `place`: Retry or Unavailable."""
        await self._places.acquire()
        worker = self._free.pop()  # the last one that was busy, because each thread keeps memory of its own
        running = asyncio.ensure_future(worker.run(job))
        running.add_done_callback(lambda done: self._is_free(worker, done))
        try:
            return await asyncio.shield(running)
        except OSError as error:
            raise failure(error, str(place)) from None

    def _is_free(self, worker: BlockingWorker, done: asyncio.Future[T]) -> None:
        self._free.append(worker)
        self._places.release()
        if not done.cancelled():
            done.exception()  # somebody who was cancelled does not look at it

    async def close(self) -> None:
        """End the threads; one that hangs ends with the process."""
        await asyncio.gather(*[worker.close() for worker in self._all])


def failure(error: OSError, place: str) -> Retry | Unavailable:
    """What trouble with a disk means: of the whole folder where it is full, gone or closed to us."""
    text = f"{place}: {(error.strerror or type(error).__name__).lower()}"
    return Unavailable(text) if error.errno in _WHOLE_DISK_ERRNOS else Retry(text)
