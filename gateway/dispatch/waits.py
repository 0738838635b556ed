"""How long a delivery waits and when it is given up, as strategies of tenacity composed: pure functions of a call's state.

tenacity's loop is not used, because a delivery's state has to outlive the process.
"""

from __future__ import annotations

from random import Random

from tenacity import RetryCallState, Retrying, stop_after_delay, wait_exponential
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from gateway.dispatch.policy import RetryPolicy
from gateway.dispatch.retry_after import seconds_asked_for


class FullJitter(wait_base):
    """Anything from nothing to what `ceiling` waits. tenacity's own draws from the global generator, which no test could fix."""

    def __init__(self, ceiling: wait_base, rng: Random) -> None:
        self._ceiling = ceiling
        self._rng = rng

    def __call__(self, retry_state: RetryCallState) -> float:
        return self._rng.uniform(0.0, self._ceiling(retry_state))


class Within(wait_base):
    """What `wait` says, but no longer than `seconds`."""

    def __init__(self, wait: wait_base, seconds: float) -> None:
        self._wait = wait
        self._seconds = seconds

    def __call__(self, retry_state: RetryCallState) -> float:
        return min(self._wait(retry_state), self._seconds)


class AskedFor(wait_base):
    """What the receiver asked for (`Retry-After`), where that is longer than what `wait` says."""

    def __init__(self, policy: RetryPolicy, wait: wait_base) -> None:
        self._policy = policy
        self._wait = wait

    def __call__(self, retry_state: RetryCallState) -> float:
        failure = None if retry_state.outcome is None else retry_state.outcome.exception()
        waited = self._wait(retry_state)
        return waited if failure is None else max(seconds_asked_for(failure, self._policy), waited)


def rising(policy: RetryPolicy) -> wait_base:
    """`initial` doubled each time, up to `max`."""
    return wait_exponential(multiplier=policy.initial.total_seconds(), max=policy.max.total_seconds(), exp_base=2.0)


def given_up(policy: RetryPolicy) -> stop_base:
    """After `give_up_after` from the first attempt on."""
    return stop_after_delay(policy.give_up_after.total_seconds())


def state_of(attempt: int, failure: BaseException | None = None, elapsed: float = 0.0) -> RetryCallState:
    """The call that strategies are asked about: attempt number `attempt` (from 1) failed `elapsed` seconds after the first."""
    state = RetryCallState(retry_object=Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = max(attempt, 1)
    if failure is not None:
        state.set_exception((type(failure), failure, failure.__traceback__))
    state.start_time, state.outcome_timestamp = 0.0, elapsed
    return state
