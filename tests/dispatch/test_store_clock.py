"""A database server whose clock is not ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch.store_clock import StoreClock
from gateway.runtime.clock import FrozenClock

times = st.integers(0, 2**42)


@given(times, st.integers(0, 10_000), st.integers(0, 10_000))
def test_a_store_on_our_own_clock_is_not_corrected_however_long_it_took(before: int, took: int, read: int) -> None:
    clock = FrozenClock()
    store = StoreClock(clock)
    store.learn(before + min(read, took), before, before + took)
    assert store.ms() == clock.ms()


@pytest.mark.parametrize(("now", "offset"), [(100_000, 89_000), (4_000, -6_000), (11_500, 0), (9_500, 0)])
def test_a_server_that_is_ahead_or_behind_is_followed_from_a_second_on(now: int, offset: int) -> None:
    clock = FrozenClock()
    store = StoreClock(clock)
    store.learn(now, 10_000, 11_000)
    assert store.ms() == clock.ms() + offset


def test_a_server_that_was_set_right_is_followed_back() -> None:
    clock = FrozenClock()
    store = StoreClock(clock)
    store.learn(100_000, 10_000, 10_000)
    store.learn(10_000, 10_000, 10_000)
    assert store.ms() == clock.ms()
