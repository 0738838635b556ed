"""Turns what the store gives into what the API answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from gateway.admin.overview_results import AuditItem, StoreStatus
from gateway.admin.results import (
    AttemptItem,
    CauseItem,
    DeliveryDetail,
    DeliveryItem,
    EventDetail,
    EventItem,
    NextTry,
    Raw,
    VerdictItem,
)
from gateway.admin.sink_results import HeaderItem, RefusedDetail, RefusedItem
from gateway.admin.timestamps import moment, stamp
from gateway.states import WaitsFor
from gateway.store.admin.audit import AuditRow
from gateway.store.admin.shown_rows import AttemptRow, DeliveryRow, EventFull, EventRow, RefusedRow, Status
from gateway.text.mask import masked_body, masked_event, masked_headers, masked_path
from gateway.text.redaction import redact

WAIT_TEXTS: Mapping[WaitsFor, str] = {
    "retry": "the pause after a failed attempt",
    "circuit": "its sink's circuit to close",
    "paused": "somebody to resume its sink",
    "orphaned": "its sink to be configured again, or somebody to move it",
    "order": "an earlier one of its stream",
    "owner": "an earlier one of its owner, whose target cannot take it now",
    "last": "everything else, because its signature carried too many contents",
    "rate": "its turn within its sink's rate",
    "batch": "others to be sent with",
    "consumer": "a consumer to fetch it",
}


def event_item(row: EventRow) -> EventItem:
    """An event as listed."""
    return EventItem(
        ref=row.ref,
        id=row.id,
        variant=row.ref.removeprefix(row.id).removeprefix("~") or None,
        seq=row.seq,
        source=row.source,
        type=row.type,
        subject=row.subject,
        time=row.time,
        received_at=moment(row.received_at),
        trust=row.trust,
        held=None if row.held is None else row.held.value,
        deliveries={str(state): count for state, count in row.deliveries.items()},
        supersedes=row.supersedes,
        superseded=row.superseded,
    )


def delivery_item(row: DeliveryRow) -> DeliveryItem:
    """A delivery as listed."""
    return DeliveryItem(**delivery_fields(row))  # type: ignore[arg-type]


def delivery_fields(row: DeliveryRow) -> dict[str, object]:
    """The same by name; the last four are its event's."""
    return {
        "id": row.id,
        "event_id": row.event_id,
        "event_ref": row.event_ref,
        "sink": row.sink,
        "state": row.state,
        "held": row.waits_for,
        "reason": row.reason,
        "attempts": row.attempts,
        "round": row.round,
        "next_attempt_at": stamp(row.next_attempt_at),
        "finished_at": stamp(row.finished_at),
        "last_error": row.last_error,
        "source": row.source,
        "type": row.type,
        "subject": row.subject,
        "received_at": moment(row.received_at),
    }


def attempt_item(row: AttemptRow) -> AttemptItem:
    """An attempt."""
    return AttemptItem(
        number=row.number,
        started_at=moment(row.started_at),
        seconds=row.took_ms / 1000,
        outcome=row.outcome.value,
        status=row.status,
        detail=row.detail,
    )


def delivery_detail(row: DeliveryRow, attempts: Sequence[AttemptRow]) -> DeliveryDetail:
    """A delivery with its attempts."""
    return DeliveryDetail(
        **delivery_fields(row),  # type: ignore[arg-type]
        history=[attempt_item(one) for one in attempts],
        next=next_try(row),
    )


def next_try(row: DeliveryRow) -> NextTry | None:
    """When it is tried next, and what it waits for."""
    match row.state:
        case "waiting":
            why = "a free place" if row.waits_for is None else WAIT_TEXTS[row.waits_for]
            return NextTry(at=stamp(row.next_attempt_at), why=f"it waits for {why}")
        case "sending":
            return NextTry(at=None, why="it is being sent now")
        case "delivered" | "dead":
            return None
        case _:
            assert_never(row.state)


def raw(full: EventFull, *, whole: bool) -> Raw:
    """The vendor's bytes; `whole`: as they came, else without credentials."""
    content = full.raw if whole else masked_body(full.raw).encode()
    try:
        text, encoded = content.decode(), None
    except UnicodeDecodeError:
        text, encoded = None, base64.b64encode(content).decode()
    return Raw(media_type=full.raw_type, size_bytes=len(full.raw), masked=not whole, text=text, base64=encoded)


def event_detail(full: EventFull, deliveries: Sequence[DeliveryDetail], *, whole: bool) -> EventDetail:
    """One event with everything. `whole`: with the queries of its URLs and the bytes as they came."""
    first = VerdictItem(at=moment(full.row.received_at), by="the routes when it came", routes=json.loads(full.routing))
    later = [
        VerdictItem(at=moment(one.made_at), by=one.made_by, routes=json.loads(one.routing)) for one in full.verdicts
    ]
    body = json.loads(full.body)
    return EventDetail(
        item=event_item(full.row),
        event=body if whole else masked_event(body),
        raw=raw(full, whole=whole),
        verdicts=[first, *later],
        deliveries=deliveries,
        variants=[event_item(other) for other in full.beside],
        conflicts=full.conflicts,
        children=[event_item(child) for child in full.children],
        cause=_cause(body),
        session=full.recording,
    )


def _cause(body: Mapping[str, Any]) -> CauseItem | None:
    cause = body.get("cause")
    return CauseItem(id=cause["id"], sink=cause["sink"]) if cause else None


def refused_item(row: RefusedRow) -> RefusedItem:
    """A refused callback as listed."""
    return RefusedItem(**_refused_fields(row))  # type: ignore[arg-type]


def _refused_fields(row: RefusedRow) -> dict[str, object]:
    refusal = row.refusal
    return {
        "id": row.id,
        "source": refusal.source,
        "code": refusal.code,
        "detail": redact(refusal.detail),
        "received_at": moment(refusal.received_at),
        "peer": refusal.peer,
        "method": refusal.method,
        "path": masked_path(refusal.path, refusal.source),
        "size_bytes": refusal.size,
        "verified": refusal.verified,
    }


def refused_detail(row: RefusedRow, meaning: str | None, *, whole: bool) -> RefusedDetail:
    """One refused callback, without its credentials unless `whole`."""
    refusal = row.refusal
    kept = bool(refusal.body) or not refusal.size
    body = refusal.body.decode("utf-8", "backslashreplace") if whole else masked_body(refusal.body)
    plain = {"detail": refusal.detail, "path": refusal.path} if whole else {}
    return RefusedDetail(
        **_refused_fields(row) | plain,  # type: ignore[arg-type]
        meaning=meaning,
        headers=[
            HeaderItem(name=name, value=value)
            for name, value in (refusal.headers if whole else masked_headers(refusal.headers))
        ],
        body=body if kept else None,
        masked=not whole,
    )


def audit_item(row: AuditRow) -> AuditItem:
    """An act as listed."""
    return AuditItem(
        id=row.id,
        at=moment(row.at),
        who=row.actor,
        place=row.place,
        act=row.act,
        target=row.target,
        filter=row.filter,
        matched=row.matched,
        done=row.done,
        result=row.result,
    )


def store_status(status: Status) -> StoreStatus:
    """The store at a glance."""
    return StoreStatus(
        url=status.url,
        schema_version=status.schema,
        events=status.events,
        held=status.held_events,
        waiting=status.waiting,
        dead=status.dead,
        refused=status.refused,
        oldest_waiting_at=stamp(status.oldest_waiting_at),
        size_bytes=status.size_bytes,
        details=dict(status.details),
    )
