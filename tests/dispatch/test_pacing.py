"""Rates and batches, on numbers alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch.batching import Gathering
from gateway.dispatch.rate_limit import Pace


@given(st.integers(1, 5), st.floats(0.5, 10), st.lists(st.tuples(st.floats(0, 3), st.integers(1, 4)), max_size=60))
def test_no_window_ever_sees_more_than_the_rate(count: int, window: float, steps: list[tuple[float, int]]) -> None:
    pace, now, sent = Pace(count, window), 0.0, []
    for wait, wish in steps:
        now += wait
        for _ in range(min(wish, pace.free(now))):
            pace.set_aside()
            pace.spend(now)
            sent.append(now)
    for first in sent:
        assert sum(1 for at in sent if first <= at < first + window - 1e-9) <= count


def test_a_taken_token_is_gone_until_it_is_given_back() -> None:
    pace = Pace(2, 10)
    pace.set_aside(2)
    assert pace.free(0) == 0
    assert pace.wait(0) is None
    pace.give_back()
    assert pace.free(0) == 1
    assert pace.wait(0) == 0
    pace.give_back(5)
    assert pace.free(0) == 2


def test_a_spent_token_comes_back_after_the_window() -> None:
    pace = Pace(1, 10)
    pace.set_aside()
    pace.spend(3)
    assert pace.wait(4) == 9
    assert pace.free(12.9) == 0
    assert pace.free(13) == 1


def test_a_batch_waits_for_its_window_from_the_first_row() -> None:
    batch = Gathering(3, 30)
    assert not batch.ready(0)
    assert batch.wait(0) is None
    batch.add(10)
    batch.add(20)
    assert batch.wait(20) == 20
    assert not batch.ready(39.9)
    assert batch.ready(40)


def test_a_full_batch_goes_at_once() -> None:
    batch = Gathering(3, 30)
    for _ in range(3):
        batch.add(10)
    assert batch.ready(10)


def test_an_urgent_row_is_never_held_back() -> None:
    batch = Gathering(3, 30)
    batch.add(10)
    batch.add(11, urgent=True)
    assert batch.ready(11)


def test_an_urgent_retry_goes_when_it_is_due() -> None:
    batch = Gathering(3, 30)
    batch.hurry(15)
    assert batch.wait(10) == 5
    assert batch.ready(15)


def test_an_urgent_row_of_the_future_outlives_a_claim_of_today() -> None:
    batch = Gathering(3, 30)
    batch.hurry(15)
    batch.add(0)
    batch.note_asking(5)
    batch.note_claimed(1)
    assert batch.ready(15)


def test_a_short_claim_leaves_nothing_to_wait_for() -> None:
    batch = Gathering(3, 30)
    batch.add(0, urgent=True)
    batch.note_asking(0)
    batch.note_claimed(1)
    assert batch.wait(0) is None


def test_rows_that_come_during_a_claim_are_not_forgotten() -> None:
    batch = Gathering(3, 30)
    batch.add(0)
    batch.note_asking(30)
    batch.add(30, urgent=True)
    batch.note_claimed(1)
    assert batch.ready(30)


def test_a_full_claim_leaves_what_was_known_beyond_it() -> None:
    batch = Gathering(3, 30)
    for _ in range(7):
        batch.add(0)
    batch.hurry(0)
    batch.note_asking(0)
    batch.note_claimed(3)
    assert batch.ready(0)  # still urgent: nobody knows which rows were taken
    batch.note_asking(0)
    batch.note_claimed(2)
    assert not batch.ready(0)
    batch.note_asking(0)
    batch.note_claimed(3)
    batch.seen(0)
    assert batch.wait(0) == 30


def test_a_claim_that_failed_changes_nothing() -> None:
    batch = Gathering(3, 30)
    batch.add(5, urgent=True)
    batch.note_asking(5)
    batch.note_claimed(None)
    assert batch.ready(5)
    late = Gathering(3, 30)
    late.hurry(9)
    late.note_asking(5)
    late.note_claimed(None)
    assert late.wait(5) == 4
