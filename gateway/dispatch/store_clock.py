"""The store's time, which on PostgreSQL is the server's: rows are due, circuits open and deliveries old by that clock."""

from __future__ import annotations

from gateway.runtime.clock import Clock


class StoreClock:
    """Our clock, corrected by what the store was seen to read. A second of difference is not worth correcting."""

    DIFFERENCE_MS_MIN = 1000  # ms

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = 0

    def ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        return self._clock.ms() + self._offset

    def learn(self, now: int, before: int, after: int) -> None:
        """The store read `now` between `before` and `after` on our own clock."""
        offset = min(now - before, 0) or max(now - after, 0)
        self._offset = offset if abs(offset) >= self.DIFFERENCE_MS_MIN else 0
