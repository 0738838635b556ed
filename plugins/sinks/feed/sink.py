"""The sink `feed`: takes the finished recordings of its routes into a feed, and lets go of what a person erased."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from gateway import (
    FILE_COMPLETED,
    RECORDING_ARCHIVED,
    RECORDING_CONFIRMED,
    Delivery,
    Erased,
    Refused,
    Sink,
    Trust,
    Unavailable,
)
from gateway.extras import missing
from plugins.sinks.cards.text import Invalid
from plugins.sinks.feed import state
from plugins.sinks.feed.entry import Painter
from plugins.sinks.feed.folder import FeedFolder
from plugins.sinks.feed.json_feed import json_feed, json_item
from plugins.sinks.feed.options import FeedOptions
from plugins.sinks.feed.place import FeedBucket, FeedPlace, Written
from plugins.sinks.feed.rss import rss
from plugins.sinks.min_trust import too_little_trust
from plugins.sinks.storage.clients import missing_library
from plugins.sinks.storage.shared_object import SharedObjects

T = TypeVar("T")
STORE_EXTRA: Final = "archive"  # brings the library of object stores
_LISTED = frozenset({FILE_COMPLETED, RECORDING_ARCHIVED, RECORDING_CONFIRMED})


class Feed(Sink):
    """An event that comes twice is one item, and so is what follows on it; the best that was said of it is shown. Any trouble
    with the folder opens the circuit: nothing is lost, and the next probe finds out when it is over."""

    type = "feed"
    Options = FeedOptions
    options: FeedOptions

    @functools.cached_property
    def _painter(self) -> Painter:
        return Painter(self.options)

    @functools.cached_property
    def _place(self) -> FeedPlace:
        if self.options.kind == "folder":
            return FeedFolder(self.options.folder, self.options.name)
        return FeedBucket(SharedObjects(self.options, STORE_EXTRA), self.options.name)

    async def open(self) -> None:
        """Writes the feed as it stands, so that what changed in the options shows. Raises Unavailable."""
        await self._change(lambda _: None)

    async def close(self) -> None:
        """Nothing is held open between writes; let the last one end."""
        await self._place.close()

    async def deliver(self, delivery: Delivery) -> str:
        [result] = await self.deliver_batch([delivery])
        if isinstance(result, Exception):
            raise result
        return result

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[str | Exception]:
        """All of them with one write."""
        results: list[str | Exception | None] = [self._judged(delivery) for delivery in deliveries]
        numbers = [number for number, result in enumerate(results) if result is None]
        if numbers:
            chosen = [deliveries[number] for number in numbers]
            for number, result in zip(
                numbers, await self._change(lambda feed: self._take_in(feed, chosen)), strict=True
            ):
                results[number] = result
        return [result for result in results if result is not None]

    async def erased(self, events: Sequence[Erased]) -> None:
        """What a person erased leaves the feed at once."""
        now = self.http.clock.now()
        await self._change(lambda feed: feed.erase(events, now))

    async def preview(self, delivery: Delivery) -> str:
        """The item, as JSON Feed has it."""
        if (refused := self._why_left_out(delivery)) is not None:
            raise refused
        if not _is_listed(delivery):
            return "nothing to list: no finished file"
        made = state.State()
        made.add(delivery.event, self._painter.entry(delivery.event))
        return json.dumps(json_item(made.items[0]), ensure_ascii=False, indent=2)

    def missing(self) -> Sequence[str]:
        """The libraries that write RSS and render titles."""
        store = () if self.options.kind == "folder" else missing_library(STORE_EXTRA)
        return [*missing("feed", "feedgen", "jinja2"), *store]

    @property
    def wanted_trust(self) -> Trust:
        return self.options.min_trust

    async def connect(self) -> str:
        return await self._place.reach()

    def _judged(self, delivery: Delivery) -> str | Exception | None:
        """What is to be said of it without looking into the feed; None: it belongs there."""
        if _is_test(delivery):
            return "a test: the feed was written, and lists no tests"
        if not _is_listed(delivery):
            return "nothing to list: no finished file"
        return self._why_left_out(delivery)

    def _why_left_out(self, delivery: Delivery) -> Refused | None:
        return too_little_trust(delivery, self.options.min_trust, f"the feed {self.name} publishes an address")

    async def _change(self, change: Callable[[state.State], T]) -> T:
        """What the change gives, when state and files are there. It is made off the loop, perhaps again. Raises Unavailable
        and Retry."""
        given: list[T] = []

        def make(data: bytes | None) -> Written:
            feed = self._state_of(data)
            given[:] = [change(feed)]
            feed.keep_newest(self.options.items)
            files: dict[str, bytes] = {}
            if "rss" in self.options.formats:
                files[self.options.rss_name] = rss(self.options, feed.items)
            if "json" in self.options.formats:
                files[self.options.json_name] = json_feed(self.options, feed.items)
            return Written(feed.written(), files)

        await self._place.change(make)
        return given[0]

    def _state_of(self, data: bytes | None) -> state.State:
        try:
            return state.decoded(data)
        except (ValueError, msgspec.DecodeError):
            raise Unavailable(
                f"the feed's state (.{self.options.name}-state.json) is damaged or of a newer program: move it away, and replay "
                "the events that are to be listed"
            ) from None

    def _take_in(self, feed: state.State, deliveries: Sequence[Delivery]) -> list[str | Exception]:
        results: list[str | Exception] = []
        for delivery in deliveries:
            try:
                there = feed.add(delivery.event, self._painter.entry(delivery.event))
                results.append("listed" if there else "left out: erased meanwhile")
            except Invalid as error:
                results.append(Refused(f"its item cannot be written: {error}"))
        feed.keep_newest(most := self.options.items)
        listed = feed.holds((delivery.event.source, delivery.event.ref) for delivery in deliveries)
        return [
            f"older than the newest {most}" if result == "listed" and not there else result
            for result, there in zip(results, listed, strict=True)
        ]


def _is_listed(delivery: Delivery) -> bool:
    return delivery.event.type in _LISTED and bool(delivery.event.files)


def _is_test(delivery: Delivery) -> bool:
    """Whether it is a message of `gateway sinks test`: everybody would see it, and nobody could take it back."""
    verified = delivery.event.verified
    return verified is not None and verified.scheme == "test" and delivery.event.source == "test"
