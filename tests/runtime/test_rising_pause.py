"""A loop that connects again rests longer after each failure in a row, and begins anew when something went well."""

from __future__ import annotations

from tenacity import wait_fixed

from gateway.runtime.rising_pause import RisingPause, seconds_after


def test_each_failure_in_a_row_doubles_the_pause_up_to_the_longest() -> None:
    pauses = RisingPause(1.0, 15.0)
    assert [pauses.failed() for _ in range(6)] == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert pauses.failures == 6


def test_after_something_went_well_the_next_failure_is_a_first_one() -> None:
    pauses = RisingPause(0.5, 2.0)
    assert [pauses.failed(), pauses.failed()] == [0.5, 1.0]
    pauses.went_well()
    assert pauses.failures == 0
    assert pauses.failed() == 0.5


def test_a_pause_never_ends_however_long_the_other_side_is_away() -> None:
    pauses = RisingPause(1.0, 30.0)
    assert {pauses.failed() for _ in range(5000)} == {1.0, 2.0, 4.0, 8.0, 16.0, 30.0}


def test_any_strategy_can_be_asked_for_the_pause_after_so_many_failures() -> None:
    assert seconds_after(7, wait_fixed(3)) == 3
