"""What happened is told to those who watch, so much at a time, and costs nothing where nobody does."""

from __future__ import annotations

from gateway.runtime.activity import NEWS_MAX, Activity
from gateway.runtime.clock import FrozenClock


def test_nothing_is_put_together_or_counted_where_nobody_watches() -> None:
    activity = Activity(FrozenClock())
    assert not activity.wants_news()
    activity.publish("event", {"ref": "a"})
    assert activity.fetch_news() == ([], 0)


def test_of_more_than_can_be_told_it_is_counted_how_many_they_were() -> None:
    activity = Activity(FrozenClock())
    activity.watched = True
    for number in range(NEWS_MAX + 7):
        if activity.wants_news():
            activity.publish("event", {"ref": str(number)})
    news, missed = activity.fetch_news()
    assert [one.body["ref"] for one in news] == [str(number) for number in range(NEWS_MAX)]
    assert missed == 7
    assert activity.wants_news()
