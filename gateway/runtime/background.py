"""What works behind the callbacks: a bell that brings its next look forward, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog

log = import_structlog().get_logger("gateway")

WORK_PAUSE_SECONDS: Final = 1.0  # before work that failed begins anew


class Bell:
    """One waits, anybody rings. What rings while nobody waits is heard at the next wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Look now."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Until it rings, or for so long."""
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        rung = asyncio.ensure_future(self._rung.wait())
        try:
            await asyncio.wait({sleep, rung}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            rung.cancel()
        self._rung.clear()


async def end_tasks(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel them, and wait until each has ended, whatever it ends with. None: there was no such task."""
    begun = [task for task in tasks if task is not None]
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)


def tireless(name: str, work: Callable[[], Awaitable[None]], clock: Clock) -> asyncio.Task[None]:
    """A task that does what is done until it is cancelled. Whatever it fails with, it begins anew, because nobody else would do
    it: where there is no memory left, what it does about a failure may fail too."""
    return asyncio.create_task(_over_and_over(name, work, clock), name=name)


async def _over_and_over(name: str, work: Callable[[], Awaitable[None]], clock: Clock) -> None:
    while True:
        try:
            await work()
            return
        except Exception:
            _say(name)
        try:
            await clock.sleep(WORK_PAUSE_SECONDS)
        except Exception:
            await asyncio.sleep(0)


def _say(name: str) -> None:
    try:
        log.exception("background_failed", what=name)
    except Exception:
        return
