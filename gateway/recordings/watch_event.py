"""Makes the events of watch rules: what is overdue, and what came after all, of the recording it is about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from gateway.events.times import format_time
from gateway.intake.pipeline import new_event
from gateway.model import RECORDING_OVERDUE, RECORDING_RECOVERED, Event, Verified, event_id, order_key
from gateway.routing import RoutingDecision
from gateway.store.outbox.watch_due import WatchDue
from gateway.store.records import NewDelivery, NewEvent


def watch_event(row: WatchDue, behind: Event) -> Event:
    """The event. Its trust is that of the event it waits behind, because it says no more. Its id is made of the rule and that
    event, so that it is the same whoever tells it."""
    type_ = RECORDING_RECOVERED if row.came else RECORDING_OVERDUE
    where = (behind.domain, behind.app, behind.stream, behind.format)
    return Event(
        id=event_id(behind.source, type_, *where, ["watch", row.rule, behind.ref]),
        type=type_,
        source=behind.source,
        provider=behind.provider,
        received_at=_time(row.now),
        trust=behind.trust,
        domain=behind.domain,
        app=behind.app,
        stream=behind.stream,
        format=behind.format,
        project_id=behind.project_id,
        job_id=behind.job_id,
        task_id=behind.task_id,
        extra={
            "watch": row.rule,
            "expected": row.expect,
            "behind": behind.ref,
            "behind_type": behind.type,
            "since": format_time(_time(row.since_at)),
            "recording": row.recording,
        },
        raw_type="application/json",
    )


def new_watch_event(event: Event, decision: RoutingDecision, keeps_order: Callable[[str], bool]) -> NewEvent:
    """Its row. Its deliveries wait to be claimed, at a sink with `order: stream` in their place of their stream."""
    missing = tuple(
        NewDelivery(sink=sink, order_key=order_key(event.source, event.subject, ordered=keeps_order(sink)))
        for sink in decision.sinks
    )
    verified = Verified(trust=event.trust, scheme="gateway")
    return new_event(
        event, decision, deliveries=missing, raw_type="application/json", hold_conflicts=False, verified=verified
    )


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
