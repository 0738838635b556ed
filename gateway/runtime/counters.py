"""A counter of what happens for every event in one loop: counting is one addition, and what a scraper reads of it is made when
one asks. prometheus_client's own takes a lock and four calls for each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.runtime.prometheus import Collector, CollectorRegistry, CounterMetricFamily


class LoopCount:
    """What happened of one set of labels."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0

    def inc(self, times: int = 1) -> None:
        """It happened."""
        self.total += times


class LoopCounter(Collector):
    """Everything is called in one loop but `collect`."""

    def __init__(self, name: str, text: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self._name = name
        self._text = text
        self._labelnames = tuple(labels)
        self._counted: dict[tuple[str, ...], LoopCount] = {}
        registry.register(self)

    def labels(self, *values: str) -> LoopCount:
        """That with these labels."""
        if values not in self._counted:
            self._counted[values] = LoopCount()
        return self._counted[values]

    def describe(self) -> Iterable[CounterMetricFamily]:
        """What its series are called."""
        return [CounterMetricFamily(self._name, self._text, labels=self._labelnames)]

    def collect(self) -> Iterable[CounterMetricFamily]:
        """All of it, as a scraper reads it."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labelnames)
        for labels, counted in self._counted.copy().items():
            family.add_metric(labels, counted.total)
        return [family]
