"""Whose transfer is next, and how fast all may be: places for the most urgent, and bytes for each second."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from gateway import Http

BURST_SECONDS: Final = 1.0  # of bytes that may come at once after a pause


class Turns:
    """A few places for many that wait: the one whose link ends first is the next, and of equals the one that came first."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = itertools.count()

    @asynccontextmanager
    async def turn(self, ends: datetime | None) -> AsyncIterator[None]:
        """Wait for a place, and hold it. `ends`: when the link does, None where nobody knows."""
        await self._wait_for_a_place(math.inf if ends is None else ends.timestamp())
        try:
            yield
        finally:
            self._give_back()

    async def _wait_for_a_place(self, ends: float) -> None:
        if self._free:
            self._free -= 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (ends, next(self._count), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._give_back()  # it had just been given to us
            raise

    def _give_back(self) -> None:
        while self._waiting:
            waiter = heapq.heappop(self._waiting)[2]
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1


class Bandwidth:
    """So many bytes a second, and no more than a second's at once. None: as many as there are."""

    def __init__(self, a_second: int | None, http: Http) -> None:
        self._a_second = a_second
        self._clock = http.clock
        self._free_at = -math.inf

    async def spend(self, amount: int) -> None:
        """Wait until these bytes, which were just read, are paid for."""
        if self._a_second is None:
            return
        now = self._clock.monotonic()
        self._free_at = max(self._free_at, now - BURST_SECONDS) + amount / self._a_second
        if (wait := self._free_at - now) > 0:
            await self._clock.sleep(wait)
