"""How long a loop rests before it connects again: longer after each failure in a row, as tenacity's strategies have it.

tenacity's own loop calls a function until it returns. What is used here is for loops that go on after they connected.
"""

from __future__ import annotations

from tenacity import RetryCallState, wait_exponential
from tenacity.wait import wait_base


def seconds_after(failures: int, wait: wait_base) -> float:
    """Seconds that `wait` rests after so many failures in a row: the strategy, asked as the pure function it is."""
    state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
    state.attempt_number = failures
    return wait(state)


class RisingPause:
    """The pauses of one loop: `first` seconds, doubled after each failure up to `most`, until something went well."""

    def __init__(self, first: float, most: float) -> None:
        self._wait = wait_exponential(multiplier=first, max=most)
        self.failures = 0  # in a row

    def failed(self) -> float:
        """One more failure: so many seconds to rest now."""
        self.failures += 1
        return seconds_after(self.failures, self._wait)

    def went_well(self) -> None:
        """The next failure is a first one."""
        self.failures = 0
