"""What happens, counted by the minute and, while somebody watches, told one by one: both are fetched and stored by others.

Everything here is called in one loop, costs a few additions, and keeps a bounded number of things.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from gateway.runtime.clock import Clock

CountedKind = Literal["source", "code", "verified", "sink"]
NewsKind = Literal["event", "attempt", "sink", "alarm", "job"]
NEWS_MAX: Final = 25  # told ones between two fetches, 100 a second: nobody reads more, and each costs the ingress
SERIES_MAX: Final = 2000  # counted ones between two fetches
SPREAD_MS: Final = (10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 15_000)
"""Upper bounds of how long an attempt took; one more place is for whatever took longer."""


class Count(msgspec.Struct):
    """What happened of one name in one minute."""

    total: int = 0
    good: int = 0
    bad: int = 0
    dead: int = 0
    last_at: int = 0
    spread: list[int] = msgspec.field(default_factory=list)


class Counted(msgspec.Struct, frozen=True):
    """A count that changed since it was fetched last: whole, not only what came to it."""

    minute: int
    kind: CountedKind
    name: str
    count: Count


class News(NamedTuple):
    """Something that happened just now. `body` is for people; `event` the id of the event that it speaks of."""

    at: int
    kind: NewsKind
    source: str
    sink: str
    type: str
    event: str
    body: Mapping[str, object]


class Activity:
    """One gateway's. `watched` is set by whoever knows whether anybody looks."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        self._counts: dict[tuple[int, CountedKind, str], Count] = {}
        self._changed: set[tuple[int, CountedKind, str]] = set()
        self._counting: dict[tuple[CountedKind, str], Count] = {}  # this minute's, that changed since the last fetch
        self._minute = range(0)  # this one, in ms
        self._news: list[News] = []
        self._key_uses: dict[tuple[str, str], int] = {}
        self.watched = False
        self.missed = 0

    def callback(self, source: str, *, good: bool) -> None:
        """A callback was answered."""
        if (count := self._count("source", source)) is not None:
            count.total += 1
            if good:
                count.good += 1
            else:
                count.bad += 1

    def note_refused(self, name: str) -> None:
        """A callback was refused; `name` is its source and the code."""
        if (count := self._count("code", name)) is not None:
            count.total += 1

    def verified(self, name: str) -> None:
        """A signature fitted; `name` says of which source, by what."""
        if (count := self._count("verified", name)) is not None:
            count.total += 1

    def key_used(self, source: str, mark: str) -> None:
        """A key of a source verified something."""
        self._key_uses[source, mark] = self._clock.ms()

    def fetch_key_uses(self) -> Mapping[tuple[str, str], int]:
        """When each key was used last, of those that were since the last time."""
        uses, self._key_uses = self._key_uses, {}
        return uses

    def key_uses_not_stored(self, uses: Mapping[tuple[str, str], int]) -> None:
        """The store did not take these: they are fetched once more, but for keys that were used again."""
        self._key_uses = {**uses, **self._key_uses}

    def attempt(self, sink: str, seconds: float, *, delivered: bool, dead: bool) -> None:
        """An attempt ended."""
        if delivered:
            self.delivered(sink, ((seconds, 1),))
        elif (count := self._count("sink", sink)) is not None:
            count.total += 1
            count.bad += 1
            count.dead += dead
            _spread_of(count)[bisect_left(SPREAD_MS, seconds * 1000)] += 1

    def delivered(self, sink: str, calls: Iterable[tuple[float, int]]) -> None:
        """Calls ended well: how many seconds each took, and how many deliveries it was of."""
        if (count := self._count("sink", sink)) is None:
            return
        spread = _spread_of(count)
        for seconds, times in calls:
            count.total += times
            count.good += times
            spread[bisect_left(SPREAD_MS, seconds * 1000)] += times

    def wants_news(self) -> bool:
        """Asked before news are put together: whether somebody watches and they would be kept. What is not is counted."""
        if not self.watched:
            return False
        if len(self._news) < NEWS_MAX:
            return True
        self.missed += 1
        return False

    def publish(
        self,
        kind: NewsKind,
        body: Mapping[str, object],
        *,
        source: str = "",
        sink: str = "",
        type: str = "",
        event: str = "",
    ) -> None:
        """Say it to those who watch. Where nobody does, nothing is kept."""
        if self.wants_news():
            self._news.append(News(self._clock.ms(), kind, source, sink, type, event, body))

    def _count(self, kind: CountedKind, name: str) -> Count | None:
        now = self._clock.ms()
        if now not in self._minute:
            begin = now - now % 60_000
            self._minute, self._counting = range(begin, begin + 60_000), {}
        count = self._counting.get((kind, name))
        if count is None:
            key = (now // 60_000, kind, name)
            if key not in self._counts and len(self._counts) >= SERIES_MAX:
                return None
            count = self._counting[kind, name] = self._counts.setdefault(key, Count())
            self._changed.add(key)
        count.last_at = now
        return count

    def fetch_counts(self) -> Sequence[Counted]:
        """What changed since the last time; `kept` is to be called when it was stored."""
        changed, self._changed, self._counting = self._changed, set(), {}
        return [Counted(*key, self._counts[key]) for key in sorted(changed)]

    def not_stored(self, counted: Sequence[Counted]) -> None:
        """The store did not take these: they are fetched once more."""
        self._changed |= {(one.minute, one.kind, one.name) for one in counted}

    def forget_old(self) -> None:
        """Let go of minutes that are over and stored."""
        minute = self._clock.ms() // 60_000
        self._counting = {}
        for key in [key for key in self._counts if key[0] < minute - 1 and key not in self._changed]:
            del self._counts[key]

    def fetch_news(self) -> tuple[Sequence[News], int]:
        """What was told since the last time, and how many more there were."""
        news, missed = self._news, self.missed
        self._news, self.missed = [], 0
        return news, missed


def _spread_of(count: Count) -> list[int]:
    count.spread = count.spread or [0] * (len(SPREAD_MS) + 1)
    return count.spread
