"""Time, injected everywhere, so that no test waits for it."""

from __future__ import annotations

import functools
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


@functools.lru_cache(
    maxsize=64
)  # because under load several things happen in one millisecond, and what was stored together began together
def moment_of(ms: int) -> datetime:
    """Milliseconds since 1970 as aware UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC)


class Clock:
    """The machine's clocks: wall time for people and rows, monotonic time for measuring, and waiting."""

    def now(self) -> datetime:
        """Aware UTC, to the millisecond: what rows hold and what the event's JSON shows."""
        return moment_of(time.time_ns() // 1_000_000)

    def ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        return time.time_ns() // 1_000_000

    monotonic = staticmethod(time.monotonic)
    """Seconds, never set back. The library's own, because each delivery asks four times."""

    async def sleep(self, seconds: float) -> None:
        from asyncio import sleep  # here, because a command that only looks at the time has no loop

        await sleep(max(seconds, 0.0))


class FrozenClock(Clock):
    """A clock that stands still until `advance` is called; sleepers wake as it passes them. For tests."""

    def __init__(self, at: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._at = at
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return self._at

    def ms(self) -> int:
        return round(self._at.timestamp() * 1000)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        import asyncio

        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._order), woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Move time on; everyone whose sleep is over is woken at the next turn of the loop."""
        self._at += timedelta(seconds=seconds)
        self._elapsed += seconds
        while self._sleepers and self._sleepers[0][0] <= self._elapsed:
            woken = heapq.heappop(self._sleepers)[2]
            if not woken.done():
                woken.set_result(None)

    def jump(self, seconds: float) -> None:
        """Set the wall clock, as an operator or NTP does; monotonic time does not move."""
        self._at += timedelta(seconds=seconds)
