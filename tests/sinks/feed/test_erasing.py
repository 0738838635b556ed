"""What a person erased leaves the feed: at once, and for as long as it can be on its way."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway import Delivery, Erased
from gateway.testing import NOW, FrozenClock
from tests.sinks.feed.feeds import archived, feeding, finished, json_feed, streams, titles


def later(of: Delivery, by: timedelta) -> Delivery:
    return of.replace(event=of.event.replace(received_at=NOW + by))


def gone(of: str, *, seconds: int = 1) -> Erased:
    return Erased("live", of, NOW + timedelta(seconds=seconds))


async def test_an_erased_event_leaves_and_what_comes_of_it_afterwards_is_not_taken_in(tmp_path: Path) -> None:
    one, other = finished(1), finished(2)
    async with feeding(tmp_path) as sink:
        await sink.deliver_batch([one, other])
        for _ in range(2):
            await sink.erased([gone(one.event.ref), gone("0" * 32), Erased("other", other.event.ref, NOW)])
            assert streams(tmp_path) == ["s2"]
    async with feeding(tmp_path) as sink:  # its delivery was under way meanwhile, perhaps elsewhere
        assert await sink.deliver(one) == "left out: erased meanwhile"
        again = later(one, timedelta(seconds=2))  # what came after it is another thing
        assert await sink.deliver(again) == "listed"
    assert str(one.event.id) not in (tmp_path / "feed.xml").read_text().replace(str(again.event.id), "")


@pytest.mark.parametrize("after", [0, 1, 499, 1000, 1500])  # ms from the coming of the event to its erasing
async def test_what_came_before_it_was_erased_stays_out_to_the_millisecond(tmp_path: Path, after: int) -> None:
    one = finished(1)
    async with feeding(tmp_path) as sink:
        await sink.erased([Erased("live", one.event.ref, NOW + timedelta(milliseconds=after))])
        assert await sink.deliver(one) == "left out: erased meanwhile"
        assert await sink.deliver(later(one, timedelta(milliseconds=after + 1))) == "listed"


async def test_of_an_item_that_was_said_several_times_only_what_was_erased_goes(tmp_path: Path) -> None:
    one = finished(1)
    copied, variant = archived(one), finished(1, variant="0a1b2c3d")
    async with feeding(tmp_path) as sink:
        await sink.deliver_batch([one, copied, variant])
        await sink.erased([gone(copied.event.ref)])
        assert json_feed(tmp_path)["items"][0]["url"] == "https://play.example.com/a.mp4"
        await sink.erased([gone(str(one.event.id))])  # a plain id: every content under it
        assert titles(tmp_path) == []
        assert await sink.deliver(variant) == "left out: erased meanwhile"


async def test_what_follows_on_an_erased_event_goes_and_comes_with_it(tmp_path: Path) -> None:
    one = finished(1)
    copied = archived(one)
    async with feeding(tmp_path) as sink:
        await sink.deliver_batch([one, copied])
        await sink.erased([gone(str(one.event.id))])  # retention may have deleted what follows, so that nobody names it
        assert titles(tmp_path) == []
        assert await sink.deliver(copied) == "left out: erased meanwhile"


async def test_what_was_erased_is_remembered_for_as_long_as_it_can_be_on_its_way(tmp_path: Path) -> None:
    clock = FrozenClock()
    one = finished(1)
    async with feeding(tmp_path, clock=clock) as sink:
        await sink.erased([gone(one.event.ref)])
        clock.advance(3 * 86400)
        await sink.erased([Erased("live", "1" * 32, clock.now())])
    assert str(one.event.ref) not in (tmp_path / ".feed-state.json").read_text()
