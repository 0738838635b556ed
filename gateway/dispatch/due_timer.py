"""The bell of a lane that rings when something comes due."""

from __future__ import annotations

import asyncio

from gateway.runtime.clock import Clock


class DueTimer:
    """One at a time: setting it again only ever makes it ring sooner."""

    def __init__(self, clock: Clock, bell: asyncio.Event) -> None:
        self._clock = clock
        self._bell = bell
        self._at = 0.0
        self._task: asyncio.Task[None] | None = None

    def set(self, seconds: float) -> None:
        """Ring in `seconds`, unless it rings before."""
        at = self._clock.monotonic() + max(seconds, 0.0)
        if self._task is not None and not self._task.done():
            if self._at <= at:
                return
            self._task.cancel()
        self._at = at
        self._task = asyncio.create_task(self._ring(seconds), name="alarm")

    def stop(self) -> None:
        """Do not ring."""
        if self._task is not None:
            self._task.cancel()

    async def _ring(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._bell.set()
