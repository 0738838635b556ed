"""The sink `feed`: takes the finished recordings of its routes into a feed, and lets go of what a person erased."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from gateway import (
    FILE_COMPLETED,
    RECORDING_ARCHIVED,
    RECORDING_CONFIRMED,
    BlockingWorker,
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
from plugins.sinks.feed.entry import Entry, Painter
from plugins.sinks.feed.folder import FeedFolder, Written
from plugins.sinks.feed.json_feed import json_feed, json_item
from plugins.sinks.feed.options import FeedOptions
from plugins.sinks.feed.rss import rss

T = TypeVar("T")
_LISTED = frozenset({FILE_COMPLETED, RECORDING_ARCHIVED, RECORDING_CONFIRMED})


class Feed(Sink):
    """An event that comes twice is one item, and so is what follows on it; the best that was said of it is shown. Any trouble
    with the folder opens the circuit: nothing is lost, and the next probe finds out when it is over."""

    type = "feed"
    Options = FeedOptions
    options: FeedOptions

    @functools.cached_property
    def _worker(self) -> BlockingWorker:
        return BlockingWorker(f"feed {self.name}")

    @functools.cached_property
    def _painter(self) -> Painter:
        return Painter(self.options)

    @functools.cached_property
    def _folder(self) -> FeedFolder:
        return FeedFolder(self.options.to, self.name)

    async def open(self) -> None:
        """Writes the feed as it stands, so that what changed in the options shows. Raises Unavailable."""
        await self._change(lambda _: None)

    async def close(self) -> None:
        """Nothing is held open between writes; let the last one end."""
        await self._worker.close()

    async def deliver(self, delivery: Delivery) -> str:
        [result] = await self.deliver_batch([delivery])
        if isinstance(result, Exception):
            raise result
        return result

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[str | Exception]:
        """All of them with one write."""
        return await self._worker.run(lambda: self._take_in(deliveries))

    async def erased(self, events: Sequence[Erased]) -> None:
        """What a person erased leaves the feed at once."""
        now = self.http.clock.now()
        await self._change(lambda held: held.erase(events, now))

    async def preview(self, delivery: Delivery) -> str:
        """The item, as JSON Feed has it."""
        if (refused := self._refused(delivery)) is not None:
            raise refused
        if not _is_listed(delivery):
            return "nothing to list: no finished file"
        made = state.State()
        made.add(delivery.event, self._painter.entry(delivery.event))
        return json.dumps(json_item(made.items[0]), ensure_ascii=False, indent=2)

    def missing(self) -> Sequence[str]:
        """The libraries that write RSS and render titles."""
        return missing("feed", "feedgen", "jinja2")

    @property
    def wanted_trust(self) -> Trust:
        return self.options.min_trust

    # -- in the worker's thread

    def _take_in(self, deliveries: Sequence[Delivery]) -> Sequence[str | Exception]:
        results: list[str | Exception | None] = [self._judged(delivery) for delivery in deliveries]
        entries: list[tuple[int, Delivery, Entry]] = []
        for number, delivery in enumerate(deliveries):
            if results[number] is None:
                try:
                    entries.append((number, delivery, self._painter.entry(delivery.event)))
                except Invalid as error:
                    results[number] = Refused(f"its item cannot be written: {error}")
        if entries:
            listed = self._changed(lambda held: _added(held, entries, self.options.items))
            for (number, _, _), receipt in zip(entries, listed, strict=True):
                results[number] = receipt
        return [result for result in results if result is not None]

    def _judged(self, delivery: Delivery) -> str | Exception | None:
        """What is to be said of it without looking into the feed; None: it belongs there."""
        if not _is_listed(delivery):
            return "nothing to list: no finished file"
        return self._refused(delivery)

    def _refused(self, delivery: Delivery) -> Refused | None:
        covered, wanted = delivery.event.trust, self.options.min_trust
        if covered.rank >= wanted.rank:
            return None
        return Refused(
            f"the vendor's signature covers `{covered}` of this event, and the feed {self.name} publishes an address only for "
            f"`{wanted}` or more (min_trust)"
        )

    async def _change(self, change: Callable[[state.State], T]) -> T:
        return await self._worker.run(lambda: self._changed(change))

    def _changed(self, change: Callable[[state.State], T]) -> T:
        """What the change gives, when state and files are on the disk. Raises Unavailable."""
        given: list[T] = []

        def make(data: bytes | None) -> Written:
            held = state.decoded(data)
            given[:] = [change(held)]
            held.keep_newest(self.options.items)
            files = {}
            if "rss" in self.options.formats:
                files[self.options.rss_name] = rss(self.options, held.items)
            if "json" in self.options.formats:
                files[self.options.json_name] = json_feed(self.options, held.items)
            return Written(held.written(), files)

        name = self.options.to.name
        try:
            self._folder.change(make)
        except (ValueError, msgspec.DecodeError):
            raise Unavailable(
                f"{name}: the feed's state (.{self.name}.feed-state.json) is damaged or of a newer program: move it away, and "
                "replay the events that are to be listed"
            ) from None
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            if isinstance(error, FileNotFoundError):
                reason = "the folder is not there: make it"  # where it lies is nobody's business
            raise Unavailable(f"{name}: {reason}") from None
        return given[0]


def _is_listed(delivery: Delivery) -> bool:
    return delivery.event.type in _LISTED and bool(delivery.event.files)


def _added(held: state.State, entries: Sequence[tuple[int, Delivery, Entry]], most: int) -> list[str]:
    taken = [held.add(delivery.event, entry) for _, delivery, entry in entries]
    held.keep_newest(most)
    shown = held.holds((delivery.event.source, delivery.event.ref) for _, delivery, _ in entries)
    return [
        "listed" if there else f"older than the newest {most}" if new else "left out: erased meanwhile"
        for new, there in zip(taken, shown, strict=True)
    ]
