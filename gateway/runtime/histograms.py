"""A histogram of what happens for every event in one loop: taking a value in is a search and two additions, and what a scraper
reads of it is made when one asks."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from gateway.runtime.prometheus import Collector, CollectorRegistry, Exemplar, HistogramMetricFamily


class Observed:
    """The values of one set of labels."""

    __slots__ = ("_bounds", "_counts", "_exemplars", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._exemplars: dict[int, Exemplar] = {}
        self._sum = 0.0

    def observe(self, value: float, exemplar: Mapping[str, str] | None = None) -> None:
        """Take one in. `exemplar` is shown beside its bucket until another comes."""
        place = bisect_left(self._bounds, value)
        self._counts[place] += 1
        self._sum += value
        if exemplar:
            self._exemplars[place] = Exemplar(dict(exemplar), value, time.time())

    def observe_all(self, each: Iterable[tuple[float, int]]) -> None:
        """Take each of these values in so often."""
        bounds, counts = self._bounds, self._counts
        for value, times in each:
            counts[bisect_left(bounds, value)] += times
            self._sum += value * times

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Show them."""
        bounds = [*map(str, self._bounds), "+Inf"]
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        for place, (bound, count) in enumerate(zip(bounds, accumulate(self._counts), strict=True)):
            exemplar = self._exemplars.get(place)
            buckets.append((bound, float(count)) if exemplar is None else (bound, float(count), exemplar))
        family.add_metric(labels, buckets, self._sum)


class LoopHistogram(Collector):
    """Everything is called in one loop but `collect`. `bounds` are the upper bounds of its buckets, without the last."""

    def __init__(
        self, name: str, text: str, bounds: Sequence[float], labels: Sequence[str], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._text = text
        self._bounds = tuple(bounds)
        self._labelnames = tuple(labels)
        self._observed: dict[tuple[str, ...], Observed] = {}
        registry.register(self)

    def labels(self, *values: str) -> Observed:
        """Those with these labels."""
        if values not in self._observed:
            self._observed[values] = Observed(self._bounds)
        return self._observed[values]

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """What its series are called."""
        return [HistogramMetricFamily(self._name, self._text, labels=self._labelnames)]

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """All of it, as a scraper reads it."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labelnames)
        for labels, observed in self._observed.copy().items():
            observed.add_to(family, labels)
        return [family]
