"""The rules of owners, played out: nobody has more in flight than he may, nobody's pause is another's, a broken one is tried once a pause."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.dispatch.owner_states import BUSY_SECONDS, FAILED_OWNERS_MIN, OwnerStates
from gateway.errors import Refused, Retry, Unavailable
from gateway.fields import parse_rate

OUTCOMES = {
    "good": None,
    "refused": Refused("no"),
    "asked": Retry("later"),
    "down": Retry("500", service=True),
    "gone": Unavailable("revoked"),
    "bug": RuntimeError("x"),
}
STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([*OUTCOMES, "slow"]), st.floats(0, 20)), min_size=1, max_size=60
)


@given(STEPS, st.integers(1, 3), st.sampled_from([None, "2/10s"]))
@example([("a", "good", 0.0), ("a", "gone", 0.0), ("a", "good", 5.0)], 1, "2/10s")  # the try after a pause counts too
def test_whatever_happens_the_bounds_of_each_owner_hold(
    steps: list[tuple[str, str, float]], at_once: int, rate: str | None
) -> None:
    states = OwnerStates(at_once, parse_rate(rate) if rate else None, Random(1), timeout=15, longest=3600)
    now = 0.0
    flying: list[tuple[str, int]] = []
    sent: dict[str, list[float]] = {}
    for number, (owner, outcome, later) in enumerate(steps):
        now += later
        wait = states.wait(owner, now)
        assert 0 <= wait <= 3600
        mine = [one for one in flying if one[0] == owner]
        if wait == 0:
            assert len(mine) < at_once
            states.attempt_begins(owner, number, now)
            flying.append((owner, number))
            window = sent.setdefault(owner, [])
            window.append(now)
            assert rate is None or sum(at > now - 10 for at in window) <= 2
        if flying and outcome != "slow":
            whose, which = flying.pop(0)
            states.note(whose, which, OUTCOMES[outcome], 1.0, now)
            states.attempt_ended(whose, which)
            states.attempt_ended(whose, which)
            if outcome in ("good", "refused", "asked"):
                assert states.paused_until(whose) is None
            if outcome == "gone":
                assert (states.paused_until(whose) or 0) > now
    for whose, which in flying:
        states.attempt_ended(whose, which)
    healthy = "d"
    assert states.wait(healthy, now) == 0, "what the others do is nothing to him"


def test_a_pause_doubles_and_lets_one_try_at_a_time() -> None:
    states = OwnerStates(4, None, Random(1), timeout=15, longest=7200)
    now, pauses = 0.0, []
    for number in range(9):
        assert states.wait("a", now) == 0
        states.attempt_begins("a", number, now)
        assert states.wait("a", now) == (BUSY_SECONDS if number else 0.0), "one goes and sees whether it is over"
        states.note("a", number, OUTCOMES["gone"], 0.1, now)
        states.attempt_ended("a", number)
        until = states.paused_until("a")
        assert until is not None
        assert states.wait("a", now) == until - now
        pauses.append(until - now)
        now = until
    assert pauses == pytest.approx([5, 10, 20, 40, 80, 160, 300, 300, 300], rel=0.21)


def test_what_begun_before_a_pause_and_fails_in_it_does_not_lengthen_it() -> None:
    states = OwnerStates(4, None, Random(1), timeout=15, longest=3600)
    for number in range(4):
        states.attempt_begins("a", number, 0.0)
    for number in range(4):
        states.note("a", number, Retry("no answer", service=True), 15.0, 15.0)
    assert 19 <= (states.paused_until("a") or 0) <= 21


def test_a_target_may_ask_for_a_longer_pause_up_to_a_bound() -> None:
    states = OwnerStates(1, None, Random(1), timeout=15, longest=3600)
    states.attempt_begins("a", 1, 0.0)
    states.note("a", 1, Unavailable("gone", timedelta(days=30)), 0.1, 0.0)
    assert states.paused_until("a") == 3600


def test_the_sink_is_broken_when_many_begin_to_fail_and_nobody_answers() -> None:
    states = OwnerStates(1, None, Random(1), timeout=15, longest=3600)

    def fail(owner: int, now: float) -> bool:
        states.attempt_begins(str(owner), owner, now)
        try:
            return states.note(str(owner), owner, OUTCOMES["gone"], 0.1, now)
        finally:
            states.attempt_ended(str(owner), owner)

    few = [fail(owner, 0.0) for owner in range(FAILED_OWNERS_MIN - 1)]
    again = [fail(owner, 1000.0) for owner in range(FAILED_OWNERS_MIN - 1)]  # they do not begin to
    assert not any(few + again)
    states.note("x", 99, None, 0.1, 1000.0)
    assert not fail(50, 1000.0)
    assert [fail(100 + owner, 1000.0) for owner in range(FAILED_OWNERS_MIN - 1)] == [False] * 8 + [True]


def test_nothing_is_kept_of_owners_who_are_well() -> None:
    states = OwnerStates(1, parse_rate("1/10s"), Random(1), timeout=15, longest=3600)
    for number in range(1000):
        states.attempt_begins(str(number), number, 0.0)
        states.note(str(number), number, None, 0.1, 0.1)
        states.attempt_ended(str(number), number)
    states.drop_idle(5.0)
    assert len(states) == 1000
    states.drop_idle(11.0)
    assert len(states) == 0
