"""How fast a lane may send: its rate, as a window that slides."""

from __future__ import annotations

from math import inf

from gateway.runtime.sliding_window import SlidingWindow


class Pace:
    """At most `count` sends in any `seconds`, however they are spread: services punish the window, not the average.

    A bucket of tokens that come back `seconds` after they were spent. A token is taken when a delivery is reserved or
    claimed, spent when its sending begins, given back when it does not.
    """

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seconds = seconds
        self.share = count  # of `count`: what other gateways on the same store leave to this one
        self._share_until = inf
        self._spent = SlidingWindow(seconds)
        self._taken = 0

    def free(self, now: float) -> int:
        """Tokens to be had at `now` (monotonic seconds)."""
        return (self.share if now < self._share_until else 0) - self._spent.count(now) - self._taken

    def grant(self, share: int, until: float) -> None:
        """From now on, until `until`, only `share` of the tokens are ours."""
        self.share, self._share_until = share, until

    def used(self, now: float) -> int:
        """Tokens that are spent or set aside in the window that ends at `now`."""
        return (self.share if now < self._share_until else 0) - self.free(now)

    def set_aside(self, count: int = 1) -> None:
        """Set tokens aside; `free` was asked before."""
        self._taken += count

    def give_back(self, count: int = 1) -> None:
        """Tokens that were taken and not needed."""
        self._taken = max(self._taken - count, 0)

    def spend(self, now: float) -> None:
        """A taken token is used: sending begins at `now`."""
        self.give_back()
        self._spent.add(now)

    def wait(self, now: float) -> float | None:
        """Seconds until the next token comes back; 0: there is one; None: all are taken and none is spent."""
        if self.free(now) > 0:
            return 0.0
        spent = self._spent.count(now)
        return self._spent.wait(now, spent) if spent else None
