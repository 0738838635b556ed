"""How often one holder of a token may ask for something that costs: so many a minute."""

from __future__ import annotations

from collections import OrderedDict, deque

from gateway.errors import Problem
from gateway.runtime.clock import Clock

HOLDERS_MAX = 1000
WINDOW_SECONDS = 60.0


class Allowance:
    """`take` raises Problem 429 where it was too often."""

    def __init__(self, times: int, clock: Clock) -> None:
        self._times = times
        self._clock = clock
        self._of: OrderedDict[str, deque[float]] = OrderedDict()

    def spend(self, holder: str) -> None:
        """Once more."""
        now = self._clock.monotonic()
        times = self._of.setdefault(holder, deque())
        self._of.move_to_end(holder)
        if len(self._of) > HOLDERS_MAX:
            self._of.popitem(last=False)
        while times and now - times[0] >= WINDOW_SECONDS:
            times.popleft()
        if len(times) >= self._times:
            wait = max(round(WINDOW_SECONDS - (now - times[0])), 1)
            raise Problem(429, "too_many_requests", f"at most {self._times} a minute of this", retry_after=wait)
        times.append(now)
