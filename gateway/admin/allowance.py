"""How often one holder of a token may ask for something that costs: so many a minute."""

from __future__ import annotations

from gateway.errors import Problem
from gateway.runtime.clock import Clock
from gateway.runtime.sliding_window import SlidingWindows

HOLDERS_MAX = 1000
WINDOW_SECONDS = 60.0


class Allowance:
    """`spend` raises Problem 429 where it was too often."""

    def __init__(self, times: int, clock: Clock) -> None:
        self._times = times
        self._clock = clock
        self._windows = SlidingWindows(WINDOW_SECONDS, HOLDERS_MAX)

    def spend(self, holder: str) -> None:
        """Once more."""
        now = self._clock.monotonic()
        window = self._windows.window_of(holder)
        if pause := window.wait(now, self._times):
            wait = max(round(pause), 1)
            raise Problem(429, "too_many_requests", f"at most {self._times} a minute of this", retry_after=wait)
        window.add(now)
