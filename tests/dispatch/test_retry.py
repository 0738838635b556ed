"""The schedule: pure decisions, so every promise is tried on any input."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity import Retrying, stop_after_attempt

from gateway.dispatch.policy import RetryPolicy
from gateway.dispatch.retry import RetryDecision, backoff, ceiling, decide, never_ends
from gateway.dispatch.retry_after import seconds, seconds_asked_for
from gateway.dispatch.waits import AskedFor, FullJitter, Within, rising
from gateway.errors import Refused, Retry, Unavailable
from gateway.model import Outcome


def policy(
    initial: float = 5, max: float = 3600, replace_stuck: float = 259200, retry_after: float = 21600
) -> RetryPolicy:
    return RetryPolicy(
        initial=timedelta(seconds=initial),
        max=timedelta(seconds=max),
        give_up_after=timedelta(seconds=replace_stuck),
        max_retry_after=timedelta(seconds=retry_after),
    )


def after(
    result: str | BaseException | None, *, attempt: int = 1, elapsed: float = 0, spared: bool = False, **kw: float
) -> RetryDecision:
    return decide(result, attempt=attempt, elapsed=elapsed, policy=policy(**kw), rng=Random(7), spared=spared)


policies = st.builds(
    policy,
    initial=st.floats(0.001, 3600),
    max=st.floats(0.001, 86400),
    replace_stuck=st.floats(0, 1e7),
    retry_after=st.floats(0, 1e6),
)
attempts = st.integers(1, 1_000_000)


def test_a_return_is_delivered_whatever_the_receipt() -> None:
    assert after(None) == after("ok") == after("") == RetryDecision(state="delivered", outcome=Outcome.DELIVERED)


def test_a_refusal_is_dead_at_once_even_on_the_first_attempt() -> None:
    assert after(Refused("no")) == RetryDecision(state="dead", outcome=Outcome.REFUSED, reason="refused")


def test_an_unavailable_target_burns_no_attempt_and_kills_nothing_however_old_it_is() -> None:
    decision = after(Unavailable("gone"), elapsed=1e9)
    assert (decision.state, decision.outcome, decision.burnt) == ("waiting", Outcome.UNAVAILABLE, False)


@pytest.mark.parametrize("failure", [Retry("later"), ValueError("a bug"), TimeoutError()])
def test_everything_else_is_tried_again(failure: Exception) -> None:
    decision = after(failure)
    assert (decision.state, decision.outcome, decision.burnt) == ("waiting", Outcome.RETRY, True)


def test_the_ceiling_doubles_from_initial_to_max() -> None:
    assert [ceiling(n, policy(5, 60)) for n in range(1, 7)] == [5, 10, 20, 40, 60, 60]


def test_a_max_below_initial_wins() -> None:
    assert ceiling(1, policy(5, 2)) == 2


@given(policies, attempts, attempts)
def test_the_ceiling_never_falls_and_never_passes_max(given_policy: RetryPolicy, one: int, other: int) -> None:
    lower, higher = sorted((one, other))
    top = given_policy.max.total_seconds()
    assert 0 < ceiling(lower, given_policy) <= ceiling(higher, given_policy) <= top


@given(policies, attempts, st.integers())
def test_the_jitter_is_full(given_policy: RetryPolicy, attempt: int, seed: int) -> None:
    assert 0 <= backoff(attempt, given_policy, Random(seed)) <= ceiling(attempt, given_policy)


def test_the_jitter_reaches_both_ends() -> None:
    drawn = [backoff(1, policy(10), Random(seed)) for seed in range(200)]
    assert min(drawn) < 0.5
    assert max(drawn) > 9.5


@given(policies, attempts, st.floats(0, 1e8), st.timedeltas(), st.booleans(), st.integers())
def test_a_retry_after_only_lengthens_and_only_up_to_its_cap(
    given_policy: RetryPolicy, attempt: int, elapsed: float, wish: timedelta, spared: bool, seed: int
) -> None:
    def decided(failure: Retry) -> RetryDecision:
        return decide(failure, attempt=attempt, elapsed=elapsed, policy=given_policy, rng=Random(seed), spared=spared)

    plain, asked = decided(Retry("x")), decided(Retry("x", wish))
    assert asked.state == plain.state
    if asked.state == "waiting":
        capped = min(max(wish.total_seconds(), 0), given_policy.max_retry_after.total_seconds())
        assert asked.delay == max(plain.delay, capped)


@given(policies, attempts, st.floats(0, 1e8), st.integers())
def test_it_dies_only_of_age_and_the_last_try_is_at_the_time_to_give_up(
    given_policy: RetryPolicy, attempt: int, elapsed: float, seed: int
) -> None:
    decision = decide(Retry("x"), attempt=attempt, elapsed=elapsed, policy=given_policy, rng=Random(seed))
    remaining = given_policy.give_up_after.total_seconds() - elapsed
    if remaining <= 0:
        assert (decision.state, decision.reason, decision.burnt) == ("dead", "expired", True)
    else:
        assert decision.state == "waiting"
        assert 0 <= decision.delay <= remaining


def test_the_last_try_waits_for_a_receiver_that_asked_for_more_time() -> None:
    assert after(Retry("x", timedelta(seconds=600)), elapsed=259_199).delay == 600


def test_while_the_circuit_is_open_nothing_is_burnt_and_nothing_ages() -> None:
    decision = after(Retry("x", service=True), elapsed=1e9, spared=True)
    assert (decision.state, decision.burnt) == ("waiting", False)
    assert after(Refused("no"), spared=True).state == "dead"
    assert after("ok", spared=True).state == "delivered"


@pytest.mark.parametrize("wish", [None, timedelta(0), timedelta(milliseconds=1), timedelta(days=-1)])
@pytest.mark.parametrize("initial", [0.01, 5])
def test_a_429_is_never_tried_again_at_once(wish: timedelta | None, initial: float) -> None:
    for seed in range(50):
        failure = Retry("slow down", wish, status=429, service=True)
        decision = decide(failure, attempt=1, elapsed=0, policy=policy(initial), rng=Random(seed))
        assert decision.delay >= max(initial, 1.0)


def test_an_after_that_is_a_number_is_read_as_seconds_and_junk_as_nothing() -> None:
    assert seconds(30) == 30
    assert seconds(1.5) == 1.5
    assert seconds(10**400) == 1e12
    assert seconds(float("nan")) == seconds(-1) == seconds("soon") == seconds(None) == 0
    assert seconds_asked_for(Retry("x", after=90), policy()) == 90  # type: ignore[arg-type]


def test_a_plugins_own_exception_with_an_attribute_after_asks_for_nothing() -> None:
    error = ValueError("x")
    error.after = timedelta(hours=5)  # type: ignore[attr-defined]
    assert seconds_asked_for(error, policy()) == 0


def test_a_delivery_whose_tries_are_lost_again_and_again_ends_after_twenty_and_twice_the_time() -> None:
    def ends(attempt: int, elapsed: float, lost: bool) -> bool:
        return never_ends(attempt, elapsed, policy(replace_stuck=100), lost=lost)

    assert ends(21, 200, True)
    assert not ends(21, 200, False)
    assert not ends(20, 200, True)
    assert not ends(21, 199, True)


def test_the_waits_are_strategies_that_tenacitys_own_loop_takes() -> None:
    slept: list[float] = []

    def fail() -> None:
        raise Retry("later", after=timedelta(seconds=30) if len(slept) == 1 else None)

    given = policy(5, 60)
    waits = AskedFor(given, Within(FullJitter(rising(given), Random(1)), 8.0))
    retrying = Retrying(wait=waits, stop=stop_after_attempt(6), sleep=slept.append, reraise=True)
    with pytest.raises(Retry, match="later"):
        retrying(fail)
    assert len(slept) == 5
    assert slept[1] == 30.0
    assert max(slept[0], *slept[2:]) <= 8.0
