"""How each owner of a directory does: what is in flight to him, his rate, and the pause he gets when his target is broken.

Only of owners with something in flight, something sent within their rate's window, or trouble: the others have no state. Pure
of stores and clocks. Every gateway makes its own experience: a broken owner costs each of them one attempt a pause, and no
row has to be written and read for it. The rows of a paused owner wait behind one head in the store, which all gateways see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from gateway.dispatch.circuit import answered, failed_service, open_seconds
from gateway.dispatch.retry_after import seconds as in_seconds
from gateway.errors import Retry, Unavailable
from gateway.fields import Rate
from gateway.owners.directory import NOBODY
from gateway.runtime.sliding_window import SlidingWindow

FAILED_DELIVERIES_MIN: Final = 3  # of one owner in a row, because one poisoned event must not stop the others
FAILED_OWNERS_MIN: Final = 10  # who begin to fail in a row, while nobody answers: then it is the sink
BUSY_SECONDS: Final = 0.5  # until the next look at an owner who has as much in flight as he may


@dataclass(slots=True, eq=False)
class OwnerState:
    """One owner's. Times are monotonic seconds."""

    in_flight: set[int] = field(default_factory=set)  # deliveries
    failed: set[int] = field(default_factory=set)  # deliveries that failed in a row
    pauses: int = 0  # how often in a row he was paused
    until: float = 0.0  # when his pause ends
    sent: SlidingWindow | None = None

    @property
    def paused(self) -> bool:
        """Whether his target is taken for broken, until an attempt succeeds."""
        return self.pauses > 0


class OwnerStates:
    """One lane's. `timeout` in seconds is what an attempt may take; `longest` bounds what a target may ask for; `nobodys` are
    the attempts at once to the sink's own target, which takes what has no owner."""

    def __init__(
        self, concurrency: int, rate: Rate | None, rng: Random, *, timeout: float, longest: float, nobodys: int = 1
    ) -> None:
        self.concurrency = concurrency
        self._nobodys = max(concurrency, nobodys)
        self.rate = rate
        self._rng = rng
        self._timeout = timeout
        self._longest = longest
        self._states: dict[str, OwnerState] = {}
        self._began_to_fail: set[str] = set()  # owners, since somebody answered

    def __len__(self) -> int:
        return len(self._states)

    @property
    def paused(self) -> list[str]:
        """The owners whose target is taken for broken."""
        return [owner for owner, state in self._states.items() if state.paused]

    def paused_until(self, owner: str) -> float | None:
        """When the pause of this one ends; None: he has none."""
        state = self._states.get(owner)
        return state.until if state is not None and state.paused else None

    # -- before an attempt

    def wait(self, owner: str, now: float) -> float:
        """Seconds until something of this owner may begin; 0: now."""
        state = self._states.get(owner)
        if state is None:
            return 0.0
        if state.paused and state.until > now:
            return state.until - now
        # after a pause one goes and sees whether it is over
        if len(state.in_flight) >= (1 if state.paused else self._nobodys if owner == NOBODY else self.concurrency):
            return BUSY_SECONDS
        if self.rate is not None and state.sent is not None and state.sent.count(now) >= self.rate.count:
            return max(state.sent.wait(now, self.rate.count), 0.001)
        return 0.0

    def attempt_begins(self, owner: str, delivery: int, now: float) -> None:
        """An attempt of his begins."""
        state = self._states.setdefault(owner, OwnerState())
        state.in_flight.add(delivery)
        if self.rate is not None:
            if state.sent is None:
                state.sent = SlidingWindow(self.rate.seconds)
            state.sent.add(now)

    # -- after it

    def attempt_ended(self, owner: str, delivery: int) -> None:
        """It is over, whatever came of it. May be said twice."""
        if (state := self._states.get(owner)) is not None:
            state.in_flight.discard(delivery)

    def note(self, owner: str, delivery: int, result: str | BaseException | None, seconds: float, now: float) -> bool:
        """What came of it; True: so many owners began to fail, one after the other, that it is the sink that is broken."""
        state = self._states.setdefault(owner, OwnerState())
        if isinstance(result, Unavailable) or failed_service(result):
            self._failed(state, owner, delivery, result, seconds, now)
        elif answered(result) or isinstance(result, Retry):
            state.failed.clear()
            state.pauses, state.until = 0, 0.0
            self._began_to_fail.clear()
        if len(self._began_to_fail) < FAILED_OWNERS_MIN:
            return False
        self._began_to_fail.clear()
        return True

    def _failed(self, state: OwnerState, owner: str, delivery: int, result: object, seconds: float, now: float) -> None:
        if state.paused and now < state.until:
            return  # it had begun before
        state.failed.add(delivery)
        # what takes the whole time costs a slot each time, so it is not tried three times
        at_once = state.paused or isinstance(result, Unavailable) or seconds >= self._timeout
        if at_once or len(state.failed) >= FAILED_DELIVERIES_MIN:
            after = result.after if isinstance(result, Unavailable | Retry) else None
            least = min(in_seconds(after), self._longest)
            state.until = now + open_seconds(state.pauses, self._rng, least=least)
            state.pauses += 1
            state.failed.clear()
            if state.pauses == 1:
                self._began_to_fail.add(owner)

    def forgive(self, is_as_before: Callable[[str], bool]) -> None:
        """The targets of all others are new: what was known of them is not so any more."""
        for owner, state in self._states.items():
            if not is_as_before(owner):
                state.failed.clear()
                state.pauses, state.until = 0, 0.0

    def drop_idle(self, now: float) -> None:
        """Forget owners of whom there is nothing to remember."""
        for owner in [owner for owner, state in self._states.items() if _is_nothing(state, now)]:
            del self._states[owner]


def _is_nothing(state: OwnerState, now: float) -> bool:
    return not (state.in_flight or state.failed or state.paused or (state.sent is not None and state.sent.count(now)))
