"""What works behind the callbacks: a bell that brings its next look forward, and its end."""

from __future__ import annotations

import asyncio

from gateway.runtime.clock import Clock


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
