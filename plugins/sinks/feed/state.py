"""What a feed holds: the newest items, each with every version of it that came, and what was erased.

It is a file of its own, so that a restart, a second gateway and an event that comes twice find the same items again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from gateway import Erased, Event, Trust, parse_time
from plugins.sinks.feed.entry import Entry

VERSIONS_MAX: Final = 8  # versions kept of one item; a person makes more, and the best are kept
ERASED_MAX: Final = 10_000
ERASED_KEPT: Final = timedelta(
    days=2
)  # longer than any attempt: what is on its way while it is erased must not come in
_FORM: Final = 1

_VARIANT: Final = re.compile(r"~[0-9a-f]{8}\Z", re.A)  # an id may have a tilde of its own

VersionRank = tuple[bool, bool, int, int]


class Version(msgspec.Struct, frozen=True):
    """What one event says of an item. `rank`: of two the higher is shown."""

    rank: VersionRank
    entry: Entry


class FeedItem(msgspec.Struct):
    """One recording. `versions` by the `ref` of their events; `source` and `id` are those of the event it began with."""

    source: str
    id: str
    versions: dict[str, Version]

    @property
    def name(self) -> str:
        """What readers know it by."""
        return f"{self.source}/{self.id}"

    @property
    def entry(self) -> Entry:
        """The best of what was said of it."""
        return max(self.versions.values(), key=lambda version: version.rank).entry

    @property
    def at(self) -> str:
        """When it was recorded, as was said first of all, so that a later word of it does not make it new."""
        return min((version.entry.at for version in self.versions.values()), key=parse_time)


class State(msgspec.Struct):
    """All of one feed. `erased`: by source and ref, when (ms)."""

    form: int = _FORM
    items: list[FeedItem] = msgspec.field(default_factory=list)
    erased: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, event: Event, entry: Entry) -> bool:
        """Take an event in; False where it was erased meanwhile."""
        names = (event.ref, event.id, "" if event.cause is None else event.cause.id)
        gone = [self.erased.get(_erased_name(event.source, name), 0) for name in names]
        if _ms(event.received_at) <= max(gone):
            return False
        item = self._item(event)
        if item is None:
            item = FeedItem(event.source, _root(event), {})
            self.items.append(item)
        item.versions[str(event.ref)] = Version(_rank(event), entry)
        if len(item.versions) > VERSIONS_MAX:
            del item.versions[min(item.versions, key=lambda ref: item.versions[ref].rank)]
        return True

    def _item(self, event: Event) -> FeedItem | None:
        named = {event.id} if event.cause is None else {event.cause.id, _plain(event.cause.id)}
        for item in self.items:
            if item.source == event.source and (item.id in named or not named.isdisjoint(item.versions)):
                return item
        return None

    def erase(self, erased: Sequence[Erased], now: datetime) -> None:
        """Let go of everything that these events said; what still comes of them is not taken in."""
        for event in erased:
            self.erased[_erased_name(event.source, event.ref)] = _ms(event.at)
            for item in self.items:
                if item.source == event.source:
                    whole = event.ref == item.id  # what follows on it goes too
                    for ref in [ref for ref in item.versions if whole or event.ref in (ref, _plain(ref))]:
                        del item.versions[ref]
        self.items = [item for item in self.items if item.versions]
        limit = _ms(now - ERASED_KEPT)
        newest = sorted(self.erased.items(), key=lambda pair: pair[1])[-ERASED_MAX:]
        self.erased = {name: at for name, at in newest if at >= limit}

    def keep_newest(self, most: int) -> None:
        """Only so many items, the newest first."""
        self.items.sort(key=lambda item: (parse_time(item.at), item.name), reverse=True)
        del self.items[most:]

    def holds(self, refs: Iterable[tuple[str, str]]) -> list[bool]:
        """Whether each event, by source and ref, has a part in what is listed."""
        listed = {(item.source, ref) for item in self.items for ref in item.versions}
        return [ref in listed for ref in refs]

    def written(self) -> bytes:
        """As it is kept."""
        return msgspec.json.encode(self)


def decoded(data: bytes | None) -> State:
    """What was kept; nothing yet where there is none. Raises ValueError where it is nothing that a feed wrote."""
    if data is None:
        return State()
    state = msgspec.json.decode(data, type=State)
    if state.form != _FORM:
        raise ValueError(f"of the form {state.form}, and this program writes {_FORM}")
    return state


def _root(event: Event) -> str:
    return _plain(event.id if event.cause is None else event.cause.id)


def _plain(ref: str) -> str:
    return _VARIANT.sub("", ref)  # a plain text, whatever kind of text the id is


def _rank(event: Event) -> VersionRank:
    """Archived before confirmed before said; then by what was signed; then the later."""
    archived = any(file.archived is not None for file in event.files)
    confirmed = any(file.confirmed is not None for file in event.files)
    return archived, confirmed, Trust(event.trust).rank, _ms(event.received_at)


def _ms(at: datetime) -> int:
    """Comparable, which a time as text is not: the digits of its second are as many as there are."""
    return round(at.timestamp() * 1000)


def _erased_name(source: str, ref: str) -> str:
    return f"{source} {ref}"
