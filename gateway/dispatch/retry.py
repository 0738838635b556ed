"""Decides how a delivery goes on after one attempt: pure, so that every rule of it can be tested without a clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Final

from gateway.dispatch.policy import RetryPolicy
from gateway.errors import DeliveryFailed, Refused, Retry, Unavailable
from gateway.model import Outcome
from gateway.states import DeadReason, DeliveryState

TOO_MANY_REQUESTS: Final = 429
THROTTLED_SECONDS_MIN: Final = 1.0  # seconds; after a 429 nothing is ever sent at once

LOST_TRIES_MAX: Final = 20
LONE_LOSSES_MAX: Final = 5  # how often a process may die with nothing but this delivery in flight


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDecision:
    """How a delivery goes on. `state` is delivered, dead or waiting; `delay` is in seconds and means something when waiting."""

    state: DeliveryState
    outcome: Outcome
    delay: float = 0.0
    burnt: bool = True  # False: the attempt is given back
    reason: DeadReason | None = None


_DELIVERED: Final = RetryDecision(state="delivered", outcome=Outcome.DELIVERED)
_REFUSED: Final = RetryDecision(state="dead", outcome=Outcome.REFUSED, reason="refused")
CUT_OFF: Final = RetryDecision(state="waiting", outcome=Outcome.RETRY, burnt=False)  # by our own stop: nobody's failure
NEVER_ENDED: Final = RetryDecision(state="dead", outcome=Outcome.LOST, reason="expired")
CRASHED: Final = RetryDecision(state="dead", outcome=Outcome.LOST, reason="crashed")
_EXPIRED: Final = RetryDecision(state="dead", outcome=Outcome.RETRY, reason="expired")


def decide(
    result: str | BaseException | None,
    *,
    attempt: int,
    elapsed: float,
    policy: RetryPolicy,
    rng: Random,
    spared: bool = False,
) -> RetryDecision:
    """What follows from the result of attempt number `attempt` (from 1): a receipt, None, or what was raised.

    `elapsed` is the seconds since this round's first attempt began, without the time its sink stood still. A delivery
    dies of age only here, at a failed attempt; before that its last try is put at exactly `give_up_after`, unless the
    receiver asked for more time. `spared`: the circuit is open, so whatever failed is neither burnt nor dies of age.
    """
    if not isinstance(result, BaseException):
        return _DELIVERED
    if isinstance(result, Refused):
        return _REFUSED
    delay = backoff(attempt, policy, rng)
    if isinstance(result, Unavailable):
        return RetryDecision(state="waiting", outcome=Outcome.UNAVAILABLE, delay=delay, burnt=False)
    least = asked_for(result, policy)
    if spared:
        return RetryDecision(state="waiting", outcome=Outcome.RETRY, delay=max(least, delay), burnt=False)
    remaining = policy.give_up_after.total_seconds() - elapsed
    if remaining <= 0:
        return _EXPIRED
    return RetryDecision(state="waiting", outcome=Outcome.RETRY, delay=max(least, min(delay, remaining)))


def never_ends(attempt: int, elapsed: float, policy: RetryPolicy, *, lost: bool) -> bool:
    """Whether attempt number `attempt` is not to be made any more, `lost` being how the one before it ended.

    A delivery that kills its process each time never comes to a failed attempt, so it would never die of age. After 20
    tries and twice the time to give up it does; whoever fails in the ordinary way is dead long before.
    """
    return lost and attempt > LOST_TRIES_MAX and elapsed >= 2 * policy.give_up_after.total_seconds()


def backoff(attempt: int, policy: RetryPolicy, rng: Random) -> float:
    """Seconds until the next try: exponential with full jitter, from nothing to `ceiling`."""
    return rng.uniform(0.0, ceiling(attempt, policy))


def ceiling(attempt: int, policy: RetryPolicy) -> float:
    """The longest the schedule waits after this attempt, in seconds: `initial` doubled each time, up to `max`.

    tenacity's strategy, called as the pure function it is. Its own `wait_random_exponential` is this with a jitter drawn
    from the global generator, which no test could fix.
    """
    from tenacity import RetryCallState, Retrying, wait_exponential

    longest = policy.max.total_seconds()
    strategy = wait_exponential(multiplier=policy.initial.total_seconds(), max=longest, exp_base=2.0)
    state = RetryCallState(retry_object=Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = max(attempt, 1)
    return min(float(strategy(state)), longest)


def asked_for(failure: BaseException, policy: RetryPolicy) -> float:
    """The seconds that the receiver asked for, at most `max_retry_after`; it can only lengthen the schedule.

    A 429 asks at least for `initial` (and a second), also where it brought no delay or one of nought.
    """
    least = 0.0
    after = getattr(failure, "after", None) if isinstance(failure, Retry | Unavailable) else None
    if after is not None:
        least = min(seconds(after), policy.max_retry_after.total_seconds())
    if isinstance(failure, DeliveryFailed) and failure.status == TOO_MANY_REQUESTS:
        least = max(least, policy.initial.total_seconds(), THROTTLED_SECONDS_MIN)
    return least


def seconds(after: Any) -> float:
    """A plugin's `after` in seconds, from nought. It may say 30 for timedelta(seconds=30): a mistake that costs no delay."""
    if isinstance(after, timedelta):
        return max(after.total_seconds(), 0.0)
    if isinstance(after, int | float):
        return max(0.0, float(min(after, 1e12)))  # in this order not-a-number gives 0.0
    return 0.0
