"""Every metric the gateway has, by the names of docs/operations.md. Labels come from configuration or closed sets only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from gateway.runtime.activity import Activity
from gateway.runtime.clock import Clock
from gateway.runtime.counters import LoopCounter
from gateway.runtime.failure_shield import harmless
from gateway.runtime.histograms import LoopHistogram
from gateway.runtime.logs import lines_dropped
from gateway.runtime.prometheus import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Metric,
    disable_created_metrics,
    generate_latest,
    openmetrics,
)
from gateway.version import __version__

disable_created_metrics()  # type: ignore[no-untyped-call]  # because every series would come twice, and nobody asks when a counter was made

LABEL_VALUES_MAX: Final = 100
LABEL_CHARS_MAX: Final = 100  # characters

DEAD_REASONS: Final = ("refused", "expired", "crashed", "no_owner")  # those that an attempt decides

_PREFIX = "recording_gateway"
_FAST_BUCKETS_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
_SLOW_BUCKETS_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0, 3600.0, 86400.0)
_VALIDITY_BUCKETS_SECONDS = (10.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 43200.0, 86400.0)


class Metrics:
    """One registry a gateway, so that two in one process (tests, embedding) do not share numbers."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.registry = CollectorRegistry()
        self.activity = Activity(clock)
        self.callbacks = self._of_events("callbacks", "Callbacks answered.", "source", "result")
        self.ignored = self._counter(
            "ignored", "Verified callbacks that are not about recordings: 200, and no row.", "source"
        )
        self.refused = self._counter("refused", "Callbacks refused, by problem code.", "source", "code")
        self.verified = self._of_events(
            "verified", "Callbacks verified, by scheme, key position and trust.", "source", "scheme", "key", "trust"
        )
        self.held = self._counter("held", "Events kept for a person to release.", "source", "reason")
        self.ranked_last = self._counter(
            "ranked_last", "Events delivered after everything else, for a signature over too many contents.", "source"
        )
        self.alarms = self._counter("alarms", "Alarms that this gateway told, by type.", "type")
        self.alarms_lost = self._counter("alarms_lost", "Alarms that could not be stored, by type.", "type")
        self.deliveries = self._of_events("deliveries", "Attempts by outcome.", "sink", "outcome")
        self.dead = self._counter("dead", "Deliveries that no attempt follows, by reason.", "sink", "reason")
        self.alive = self._gauge("alive", "Long deliveries under way, whose sinks say that they get on.", "sink")
        self.alive_bytes = self._counter("alive_bytes", "Bytes that long deliveries say they have done.", "sink")
        self.follow_ups = self._counter("follow_ups", "Events that follow on deliveries.", "sink", "result")
        self.recording_events = self._counter("recording_events", "Events looked at to join them into recordings.")
        self.watches_told = self._counter(
            "watches_told", "Events that watch rules told, by rule and type.", "watch", "type"
        )
        self.reconciled = self._counter(
            "reconciled", "Recordings that a vendor listed, by what came of them.", "source", "result"
        )
        self.reconcile_failures = self._counter(
            "reconcile_failures", "Times that a vendor's list could not be had.", "source"
        )
        self.reconcile_last = self._gauge(
            "reconcile_last_timestamp_seconds", "When a vendor's list was last gone through.", "source"
        )
        self.attempt_seconds = self._of_attempts("attempt_seconds", "How long an attempt took.")
        self.end_to_end_seconds = self._of_attempts("end_to_end_seconds", "From receiving a callback to its delivery.")
        self.waiting = self._gauge("waiting", "Deliveries that wait or are being sent.", "sink")
        self.oldest_waiting_seconds = self._gauge(
            "oldest_waiting_seconds", "Age of the oldest waiting delivery.", "sink"
        )
        self.pull_waiting = self._gauge("pull_waiting", "Consumers that wait for a delivery of a pull sink.", "sink")
        self.pull_leased = self._counter("pull_leased", "Deliveries of a pull sink that consumers were given.", "sink")
        self.circuit_open = self._gauge("circuit_open", "1 while a sink's circuit is open.", "sink")
        self.owners_paused = self._gauge("owners_paused", "Owners of a directory whose target is broken.", "sink")
        self.commit_batch_size = self._histogram(
            "commit_batch_size", "Items in one commit.", (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
        )
        self.commit_seconds = self._histogram("commit_seconds", "How long a commit took.", _FAST_BUCKETS_SECONDS)
        self.ready = self._gauge("ready", "1 while callbacks are taken, as /readyz says.")
        self.store_limit_used = self._gauge("store_limit_used", "Which part of the nearest limit of the store is used.")
        self.store_reruns = _CountedElsewhere(
            "store_reruns",
            "Times that work on the store was run again, because it could not be put in order beside others'.",
            namespace=_PREFIX,
            registry=self.registry,
        )
        self.route_errors = self._counter("route_errors", "Routes whose `where` failed on a live event.", "route")
        self.validity_seconds = LoopHistogram(
            f"{_PREFIX}_validity_seconds",
            "How far in the future a callback's expiry lay.",
            _VALIDITY_BUCKETS_SECONDS,
            ("source",),
            self.registry,
        )
        self.loop_blocked = self._counter("loop_blocked", "Times the event loop did not turn for over a second.")
        self.watch_calls_dropped = self._counter(
            "watch_calls_dropped", "Calls of watching hooks left out, because the plugin did not come back.", "hook"
        )
        self.config_reloads = self._counter(
            "config_reloads", "Reloads of the configuration, done or refused.", "result"
        )
        self.config_current = self._gauge("config_current", "1 while the file, when last read, is what runs.")
        self.config_current.set(1)
        self.log_lines_dropped = _CountedElsewhere(
            "log_lines_dropped",
            "Log lines that were not written: a full disk, or a reader that is gone or does not read.",
            namespace=_PREFIX,
            registry=self.registry,
        )
        self.log_lines_dropped.count = lines_dropped
        self.duty_failures = self._counter("duty_failures", "Passes of background duties that failed.", "duty")
        self.duty_late_seconds = SecondsElsewhere(
            "duty_late_seconds",
            "Seconds since a pass of a background duty was due that has not ended well yet.",
            ("duty",),
            namespace=_PREFIX,
            registry=self.registry,
        )
        build = Info("build", "The running version.", namespace=_PREFIX, registry=self.registry)
        build.info({"version": __version__})

    def expect(self, sources: Iterable[str], sinks: Iterable[str]) -> None:
        """Show these at 0 from the start, because a series that begins at 1 has no increase, and one that is not there
        cannot stand still."""
        for source in sources:
            self.callbacks.labels(source, "accepted")
        for sink in sinks:
            for reason in DEAD_REASONS:
                self.dead.labels(sink, reason)

    @harmless
    def count_route_error(self, route: str) -> None:
        """A route's `where` failed on a live event."""
        self.route_errors.labels(route).inc()

    @harmless
    def observe_commit(self, items: int, seconds: float) -> None:
        """The store committed so many items, in so long."""
        self.commit_batch_size.observe(items)
        self.commit_seconds.observe(seconds)

    def text(self) -> bytes:
        """The exposition format, for GET /metrics."""
        return generate_latest(self.registry)

    def openmetrics(self) -> bytes:
        """The same as OpenMetrics 1.0, for a scraper that asks for it."""
        text: bytes = openmetrics.generate_latest(self.registry, version="1.0.0")  # type: ignore[no-untyped-call]
        return text

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, namespace=_PREFIX, registry=self.registry)

    def _of_events(self, name: str, text: str, *labels: str) -> LoopCounter:
        """For what is counted in the loop for every event."""
        return LoopCounter(f"{_PREFIX}_{name}", text, labels, self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, namespace=_PREFIX, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(name, text, labels, namespace=_PREFIX, registry=self.registry, buckets=buckets)

    def _of_attempts(self, name: str, text: str) -> LoopHistogram:
        return LoopHistogram(f"{_PREFIX}_{name}", text, _SLOW_BUCKETS_SECONDS, ("sink",), self.registry)


class BoundedLabel:
    """Lets the first hundred values of a label through, and calls the rest `other`: what a plugin says may be without end."""

    def __init__(self, values_max: int = LABEL_VALUES_MAX) -> None:
        self._values_max = values_max
        self._known: set[str] = set()

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if len(self._known) >= self._values_max or len(value) > LABEL_CHARS_MAX:
            return "other"
        self._known.add(value)
        return value


class SecondsElsewhere(Gauge):
    """Asked when it is read: what never ends tells nobody how late it is."""

    seconds: Callable[[], Mapping[str, float]] | None = None

    def collect(self) -> Iterable[Metric]:
        if self.seconds is not None:
            self.clear()
            for name, seconds in self.seconds().items():
                self.labels(name).set(seconds)
        return super().collect()


class _CountedElsewhere(Counter):
    """Brought forward when it is read: whoever writes log lines, or works on the store, counts for the whole process."""

    count: Callable[[], int] | None = None
    _seen = 0

    def collect(self) -> Iterable[Metric]:
        if self.count is not None:
            now = self.count()
            self.inc(now - self._seen)
            self._seen = now
        return super().collect()
