"""What is counted between two looks of the store: bounded, and fetched once more where the store did not take it."""

from __future__ import annotations

from gateway.runtime.activity import SERIES_MAX, Activity
from gateway.runtime.clock import FrozenClock


def test_a_flood_of_names_is_bounded_and_those_that_are_known_are_counted_on() -> None:
    activity = Activity(FrozenClock())
    activity.callback("first", good=True)
    for number in range(SERIES_MAX):
        activity.note_refused(f"live: {number}")
    for count in (
        lambda: activity.callback("another", good=False),
        lambda: activity.verified("another: key 1"),
        lambda: activity.attempt("another", 0.1, delivered=False, dead=True),
        lambda: activity.callback("first", good=False),
    ):
        count()
    counted = activity.fetch_counts()
    assert len(counted) == SERIES_MAX
    assert {one.name for one in counted if one.kind == "source"} == {"first"}
    [first] = [one.count for one in counted if one.name == "first"]
    assert (first.total, first.good, first.bad) == (2, 1, 1)


def test_counts_that_the_store_did_not_take_are_fetched_once_more() -> None:
    activity = Activity(FrozenClock())
    activity.callback("live", good=True)
    counted = activity.fetch_counts()
    assert activity.fetch_counts() == []
    activity.not_stored(counted)
    activity.callback("live", good=False)
    [again] = activity.fetch_counts()
    assert (again.name, again.count.total) == ("live", 2)


def test_uses_of_keys_that_the_store_did_not_take_are_fetched_once_more_but_never_go_back() -> None:
    clock = FrozenClock()
    activity = Activity(clock)
    for mark in ("a", "b"):
        activity.key_used("live", mark)
    uses = activity.fetch_key_uses()
    clock.advance(60)
    activity.key_used("live", "b")
    activity.key_uses_not_stored(uses)
    assert activity.fetch_key_uses() == {("live", "a"): uses["live", "a"], ("live", "b"): uses["live", "b"] + 60_000}
    assert activity.fetch_key_uses() == {}
