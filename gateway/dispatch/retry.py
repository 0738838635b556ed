"""Decides how a delivery goes on after one attempt: pure, so that every rule of it can be tested without a clock."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from gateway.dispatch.policy import RetryPolicy
from gateway.dispatch.waits import AskedFor, FullJitter, Within, given_up, rising, state_of
from gateway.errors import Refused, Unavailable
from gateway.model import Outcome
from gateway.states import DeadReason, DeliveryState

LOST_TRIES_MAX: Final = 20

LONE_LOSSES_MAX: Final = 5  # how often a process may die with nothing but this delivery in flight
LONE_SUSPECTS_MAX: Final = 4  # of all sinks, each of which goes alone; more go together once


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

NO_OWNER: Final = RetryDecision(state="dead", outcome=Outcome.REFUSED, reason="no_owner")

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
    state = state_of(attempt, result, elapsed)
    jitter = FullJitter(rising(policy), rng)
    if isinstance(result, Unavailable):
        return RetryDecision(state="waiting", outcome=Outcome.UNAVAILABLE, delay=jitter(state), burnt=False)
    if spared:
        delay = AskedFor(policy, jitter)(state)
        return RetryDecision(state="waiting", outcome=Outcome.RETRY, delay=delay, burnt=False)
    if given_up(policy)(state):
        return _EXPIRED
    remaining = policy.give_up_after.total_seconds() - elapsed
    delay = AskedFor(policy, Within(jitter, remaining))(state)
    return RetryDecision(state="waiting", outcome=Outcome.RETRY, delay=delay)


def never_ends(attempt: int, elapsed: float, policy: RetryPolicy, *, lost: bool) -> bool:
    """Whether attempt number `attempt` is not to be made any more, `lost` being how the one before it ended.

    A delivery that kills its process each time never comes to a failed attempt, so it would never die of age. After 20
    tries and twice the time to give up it does; whoever fails in the ordinary way is dead long before.
    """
    return lost and attempt > LOST_TRIES_MAX and elapsed >= 2 * policy.give_up_after.total_seconds()


def goes_alone(losses: int, suspects: int) -> bool:
    """Whether a delivery that a process died with `losses` times in a row goes with nothing else in flight.

    Of many `suspects` nearly all are innocent: they go as they always do, but each is noted as begun before it is sent. If
    the process dies again only what had begun is lost a second time, and that goes alone.
    """
    return losses > 1 or suspects <= LONE_SUSPECTS_MAX


def backoff(attempt: int, policy: RetryPolicy, rng: Random) -> float:
    """Seconds until the next try: exponential with full jitter, from nothing to `ceiling`."""
    return FullJitter(rising(policy), rng)(state_of(attempt))


def ceiling(attempt: int, policy: RetryPolicy) -> float:
    """The longest the schedule waits after this attempt, in seconds: `initial` doubled each time, up to `max`."""
    return float(rising(policy)(state_of(attempt)))
