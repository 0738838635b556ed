"""How long a batch is gathered."""

from __future__ import annotations


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

    def note_asking(self, now: float) -> None:
        """A claim is about to be sent: what is added from here on is counted anew, because it may miss that claim."""
        urgent = self._urgent_from if self._urgent_from is not None and self._urgent_from <= now else None
        self._before = (self._known, self._first_due, urgent)
        self._known, self._first_due = 0, None
        if urgent is not None:
            self._urgent_from = None

    def note_claimed(self, rows: int | None) -> None:
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


class GroupGathering(Gathering):
    """The same where each group has a window of its own: the store knows when the next one is ready, and says so at each
    claim. In between only the first row that came since counts: nothing that comes later is ready before it."""

    def add(self, now: float, *, urgent: bool = False) -> None:
        """One more row waits; how many others do says nothing of its group."""
        self.seen(now)
        if urgent:
            self.hurry(now)

    def answered(self, at: float | None) -> None:
        """The claim was answered: the next group is ready `at`."""
        if at is not None:
            self.hurry(at)
