"""Gives account of one attempt: the line in the log, the figures, the plugins that watch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.dispatch.attempt import AttemptResult, Nonsense
from gateway.dispatch.follow_ups import FollowUps
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.leased_delivery import LeasedDelivery
from gateway.dispatch.outcome import AttemptRecord, describe
from gateway.errors import DeliveryFailed
from gateway.model import Delivery, Outcome
from gateway.plugin import Sink
from gateway.runtime.failure_shield import harmless
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.plain_lines import PlainLogger
from gateway.runtime.traces import exemplar, log_fields
from gateway.store.records import Accepted, Lease
from gateway.text.trace_context import TraceContext

log = import_structlog().get_logger("gateway.dispatcher")
_lines = PlainLogger("gateway.dispatcher")  # a delivered attempt is a line of every event


DeliveredCall = tuple[Sequence[LeasedDelivery], str | None, int, float]
"""What one call delivered: the members, their receipt, when it began (ms) and how many seconds it took."""


class AttemptReporter:
    """One sink's."""

    def __init__(self, sink: Sink, shared: Shared) -> None:
        metrics = shared.metrics
        self._activity = metrics.activity
        self._origin = sink.origin
        self._sink = name = sink.name
        self._watchers = shared.watchers
        self._followed = shared.followed
        self._outcomes = {outcome: metrics.deliveries.labels(name, outcome.value) for outcome in Outcome}
        self._delivered = self._outcomes[Outcome.DELIVERED]
        self._dead = metrics.dead
        self._follow_ups = {
            result: metrics.follow_ups.labels(name, result) for result in ("stored", "duplicate", "refused")
        }
        self._attempt_seconds = metrics.attempt_seconds.labels(name)
        self._end_to_end = metrics.end_to_end_seconds.labels(name)
        self._untold: list[DeliveredCall] = []
        self._is_telling = False  # they will be told before the loop's next turn is over

    def report_follow_ups(self, follow_ups: FollowUps, accepted: Sequence[Accepted]) -> None:
        """What followed on a delivery is stored, or was there already: counted, and told to whoever hears of events."""
        for one in accepted:
            self._follow_ups["stored" if one.new else "duplicate"].inc()
        self._followed(follow_ups, accepted)

    @harmless
    def report_bad_follow_ups(self, lease: Lease, problems: Sequence[str]) -> None:
        """What followed on a delivery is no event: the delivery stands, and somebody mends the plugin."""
        self._follow_ups["refused"].inc(len(problems))
        log.error(
            "follow_ups_refused",
            sink=self._sink,
            id=lease.event.ref,
            delivery=lease.delivery,
            plugin=self._origin,
            problems=[describe(problem) for problem in problems],
        )

    @property
    def is_watched(self) -> bool:
        """Whether somebody hears of each attempt."""
        return self._activity.watched or self._watchers.any

    @harmless
    def report_delivered(self, call: DeliveredCall) -> None:
        """Nobody watches and none is traced: what `report` tells of each, told with all that ends in this turn of the loop."""
        self._untold.append(call)
        if not self._is_telling:
            asyncio.get_running_loop().call_soon(self._tell_delivered)
            self._is_telling = True

    @harmless
    def _tell_delivered(self) -> None:
        self._is_telling = False  # first: without memory for the rest they are told with the next
        calls, self._untold = self._untold, []
        sink, lines, ages, took = self._sink, [], [], []
        for members, receipt, started_at, seconds in calls:
            ended, shown = started_at / 1000 + seconds, round(seconds, 4)
            took.append((seconds, len(members)))
            for member in members:
                lease = member.lease
                event = lease.event
                facts: dict[str, object] = {
                    "sink": sink,
                    "id": event.ref,
                    "delivery": lease.delivery,
                    "attempt": lease.attempt,
                    "outcome": "delivered",
                    "seconds": shown,
                }
                if receipt:
                    facts["detail"] = receipt
                lines.append(facts)
                if not lease.round:
                    ages.append((max(ended - event.received_at.timestamp(), 0.0), 1))
        _lines.say_all("attempt", lines, short=True)
        self._delivered.inc(len(lines))
        self._activity.delivered(sink, took)
        self._attempt_seconds.observe_all(took)
        self._end_to_end.observe_all(ages)

    @harmless
    def report(
        self, lease: Lease, delivery: Delivery, result: AttemptResult, given: AttemptRecord, trace: TraceContext | None
    ) -> None:
        """One attempt ended."""
        settlement, attempt = given.settlement, given.attempt
        outcome = attempt.outcome
        facts: dict[str, object] = {
            "sink": self._sink,
            "id": lease.event.ref,
            "delivery": lease.delivery,
            "attempt": lease.attempt,
            "outcome": outcome._value_,  # `.value` is two calls of enum's
            "seconds": round(attempt.seconds, 4),
        }
        if delivery.owner:
            facts["owner"] = delivery.owner
        if attempt.status is not None:
            facts["status"] = attempt.status
        if attempt.detail:
            facts["detail"] = attempt.detail
        if settlement.state == "waiting":
            facts["next_try_in"] = settlement.delay / 1000
        if settlement.reason:
            facts["dead"] = settlement.reason
            self._dead.labels(self._sink, settlement.reason).inc()
        if trace is not None:
            facts |= log_fields(trace)
        if isinstance(result, BaseException) and not isinstance(result, DeliveryFailed):
            facts["plugin"] = self._origin  # whose mistake it probably is
            facts["exc_info"] = result.__cause__ if isinstance(result, Nonsense) else result
        if outcome is Outcome.DELIVERED:
            _lines.say("attempt", facts)
        else:
            (log.error if settlement.reason else log.warning)("attempt", **facts)
        if given.trouble:
            log.warning("memo_dropped", sink=self._sink, delivery=lease.delivery, problem=given.trouble)
        self._outcomes[outcome].inc()
        self._activity.attempt(
            self._sink, attempt.seconds, delivered=outcome is Outcome.DELIVERED, dead=bool(settlement.reason)
        )
        if self._activity.wants_news():
            self._activity.publish(
                "attempt",
                {
                    name: value
                    for name, value in facts.items()
                    if name not in {"exc_info", "plugin", "trace_id", "span_id"}
                }
                | {"state": settlement.state, "subject": lease.event.subject},
                source=lease.event.source,
                sink=self._sink,
                type=lease.event.type,
                event=lease.event.id,
            )
        self._attempt_seconds.observe(attempt.seconds, exemplar(trace))
        if outcome is Outcome.DELIVERED and not lease.round:
            age = settlement.started_at / 1000 + attempt.seconds - lease.event.received_at.timestamp()
            self._end_to_end.observe(max(age, 0.0), exemplar(trace))
        self._watchers.notify(size=len(lease.event.raw), delivery=delivery, attempt=attempt)
