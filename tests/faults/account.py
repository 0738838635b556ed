"""The account of a world: every callback, what the vendor was told of it, and where its event arrived and how often."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.ledger import Came, Posted

SLACK_S = 0.25  # between a kill and the moment that was noted for it, on a busy machine


@dataclass
class Account:
    """`sinks` are owed every acknowledged event. `streams`: so many, a callback's is its number modulo that."""

    posted: Sequence[Posted]
    came: Sequence[Came]
    sinks: Sequence[str]
    streams: int = 0
    disturbed: Sequence[float] = ()  # moments of kills and of other faults, sorted
    spells: Sequence[tuple[float, float]] = ()  # from when until when a fault lasted in which any attempt may fail
    ids: dict[int, str] = field(init=False)  # of what was acknowledged
    arrived: dict[tuple[str, int], list[float]] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = {one.number: one.event for one in self.posted if one.status == 200}
        self.arrived = {}
        for one in self.came:
            self.arrived.setdefault((one.sink, one.number), []).append(one.at)

    @property
    def lost(self) -> list[tuple[str, int]]:
        """Acknowledged and never delivered."""
        return [(sink, number) for sink in self.sinks for number in self.ids if (sink, number) not in self.arrived]

    @property
    def renamed(self) -> list[int]:
        """Numbers whose deliveries, or whose repeats, had more than one id."""
        names: dict[int, set[str]] = {}
        named = [(one.number, one.event) for one in self.posted] + [(one.number, one.event) for one in self.came]
        for number, event in named:
            if event:
                names.setdefault(number, set()).add(event)
        return [number for number, ids in names.items() if len(ids) > 1]

    @property
    def strangers(self) -> list[int]:
        """Delivered, although the vendor never sent them."""
        sent = {one.number for one in self.posted}
        return sorted({one.number for one in self.came} - sent)

    @property
    def unheard(self) -> int:
        """Callbacks that were sent and never acknowledged: what became of them is free."""
        return len({one.number for one in self.posted} - self.ids.keys())

    @property
    def again(self) -> int:
        """Deliveries beyond the first of each event at each sink."""
        return sum(len(times) - 1 for times in self.arrived.values())

    @property
    def unexplained(self) -> list[tuple[str, int]]:
        """Delivered twice without any fault between."""
        return [
            key
            for key, times in self.arrived.items()
            for first, second in zip(sorted(times), sorted(times)[1:], strict=False)
            if bisect_left(self.disturbed, first - SLACK_S) == bisect_right(self.disturbed, second)
            and not any(began <= second and first - SLACK_S <= ended for began, ended in self.spells)
        ]

    @property
    def disordered(self) -> list[tuple[str, int]]:
        """Acknowledged ones that first arrived before an earlier one of their stream."""
        wrong = []
        for sink in self.sinks:
            last: Counter[int] = Counter()
            first = sorted((min(times), number) for (name, number), times in self.arrived.items() if name == sink)
            for _, number in first:
                stream = number % self.streams
                if number < last[stream] and number in self.ids:
                    wrong.append((sink, number))
                last[stream] = max(last[stream], number)
        return wrong

    def line(self) -> str:
        """For people."""
        statuses = Counter(one.status for one in self.posted)
        return (
            f"{len(self.ids)} acknowledged, {len(self.lost)} lost, {self.again} delivered again, {self.unheard} never acknowledged; "
            f"answers {dict(sorted(statuses.items()))}, faults {len(self.disturbed)}"
        )

    def closes(self, *, again_max: int, refusals: frozenset[int] = frozenset({503})) -> None:
        """All that must hold, whatever happened; raises AssertionError with the first ten that do not fit."""
        few = slice(0, 10)
        assert {one.status for one in self.posted} <= refusals | {0, 200}, (
            f"answered what it should not be: {self.line()}"
        )
        assert self.ids, "nothing was acknowledged, so nothing was tried"
        assert self.lost[few] == [], f"acknowledged and never delivered: {self.line()}"
        assert self.strangers[few] == [], "delivered, but never sent"
        assert self.renamed[few] == [], "one event under two ids"
        assert self.unexplained[few] == [], f"delivered twice although nothing happened between: {self.line()}"
        assert self.again <= again_max, f"more arrived again than can have been in flight ({again_max}): {self.line()}"
        if self.streams:
            assert self.disordered[few] == [], f"out of order: {self.line()}"
