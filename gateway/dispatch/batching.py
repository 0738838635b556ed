"""How fast a lane may go: its rate, and how long a batch is gathered."""

from __future__ import annotations

from collections import deque
from math import inf


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
        self._spent: deque[float] = deque()
        self._taken = 0

    def free(self, now: float) -> int:
        """Tokens to be had at `now` (monotonic seconds)."""
        while self._spent and self._spent[0] + self.seconds <= now:
            self._spent.popleft()
        return (self.share if now < self._share_until else 0) - len(self._spent) - self._taken

    def grant(self, share: int, until: float) -> None:
        """From now on, until `until`, only `share` of the tokens are ours."""
        self.share, self._share_until = share, until

    def used(self, now: float) -> int:
        """Tokens that are spent or set aside in the window that ends at `now`."""
        return (self.share if now < self._share_until else 0) - self.free(now)

    def take(self, count: int = 1) -> None:
        """Set tokens aside; `free` was asked before."""
        self._taken += count

    def give_back(self, count: int = 1) -> None:
        """Tokens that were taken and not needed."""
        self._taken = max(self._taken - count, 0)

    def spend(self, now: float) -> None:
        """A taken token is used: sending begins at `now`."""
        self.give_back()
        self._spent.append(now)

    def wait(self, now: float) -> float | None:
        """Seconds until the next token comes back; 0: there is one; None: all are taken and none is spent."""
        if self.free(now) > 0:
            return 0.0
        return self._spent[0] + self.seconds - now if self._spent else None


class Gathering:
    """When a batch is ready: `most` rows are known to wait, the first has waited `window` seconds, or one is urgent.

    Rows stay `waiting` in the store meanwhile; this only keeps what the lane was told of them. Times are wall-clock
    seconds, because the age of a row is its `due_at`.
    """

    def __init__(self, most: int, window: float) -> None:
        self.most = most
        self.window = window
        self._first_due: float | None = None
        self._known = 0
        self._urgent_from: float | None = None
        self._before: tuple[int, float | None, float | None] = (0, None, None)

    def add(self, now: float, *, urgent: bool = False) -> None:
        """One more row waits. An urgent one is never held back by the window."""
        self._known += 1
        self.seen(now)
        if urgent:
            self.hurry(now)

    def seen(self, due: float) -> None:
        """The store has a row due at `due`."""
        self._first_due = due if self._first_due is None else min(self._first_due, due)

    def hurry(self, at: float) -> None:
        """At `at` an urgent row is due."""
        self._urgent_from = at if self._urgent_from is None else min(self._urgent_from, at)

    def ready(self, now: float) -> bool:
        """Whether to claim now."""
        wait = self.wait(now)
        return wait is not None and wait <= 0

    def wait(self, now: float) -> float | None:
        """Seconds until it is ready without further rows; None: nothing waits."""
        if self._first_due is None and self._urgent_from is None:
            return None
        times = [] if self._urgent_from is None else [self._urgent_from]
        if self._first_due is not None:
            times.append(self._first_due if self._known >= self.most else self._first_due + self.window)
        return max(min(times) - now, 0.0)

    def begin(self, now: float) -> None:
        """A claim is about to be sent: what is added from here on is counted anew, because it may miss that claim."""
        urgent = self._urgent_from if self._urgent_from is not None and self._urgent_from <= now else None
        self._before = (self._known, self._first_due, urgent)
        self._known, self._first_due = 0, None
        if urgent is not None:
            self._urgent_from = None

    def end(self, rows: int | None) -> None:
        """The claim took `rows`; None: it failed. A full one may have left some, so what was urgent stays urgent."""
        known, first_due, urgent = self._before
        if rows is None:
            self._known += known
            if first_due is not None:
                self.seen(first_due)
        elif rows < self.most:
            return
        else:
            self._known += max(known - rows, 0)
        if urgent is not None:
            self.hurry(urgent)
