"""The rows of a store elsewhere, made of what its admin API answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.admin.moments import milliseconds
from gateway.model import Outcome
from gateway.store.admin.audit import AuditRow
from gateway.store.admin.bulk import ItemResult
from gateway.store.admin.shown_rows import (
    AttemptRow,
    DeliveryRow,
    EventRow,
    KeyRow,
    RefusedRow,
    SinkRow,
    SourceRow,
    UnderWay,
)
from gateway.store.records import Gate, Heard, Held, Refusal


def item_result(item: Mapping[str, Any]) -> ItemResult:
    """What was done to one."""
    return ItemResult(item["target"], item["text"], well=item["done"])


def optional_ms(text: str | None) -> int | None:
    """A time in milliseconds, where there is one."""
    return None if text is None else milliseconds(text)


def event_row(item: Mapping[str, Any]) -> EventRow:
    """An event as listed."""
    return EventRow(
        seq=item["seq"],
        ref=item["ref"],
        id=item["id"],
        source=item["source"],
        type=item["type"],
        subject=item["subject"],
        received_at=milliseconds(item["received_at"]),
        held=None if item["held"] is None else Held(item["held"]),
        deliveries=item["deliveries"],
        supersedes=item["supersedes"],
        superseded=item["superseded"],
        trust=item["trust"],
        time=item["time"],
    )


def delivery_row(item: Mapping[str, Any]) -> DeliveryRow:
    """A delivery as listed."""
    values = {name: value for name, value in item.items() if name not in {"history", "next"}}
    for name in ("next_attempt_at", "finished_at", "received_at"):
        values[name] = optional_ms(item[name])
    return DeliveryRow(**values)


def attempt_row(item: Mapping[str, Any]) -> AttemptRow:
    """One attempt."""
    return AttemptRow(
        number=item["number"],
        started_at=milliseconds(item["started_at"]),
        took_ms=round(item["seconds"] * 1000),
        outcome=Outcome(item["outcome"]),
        status=item["status"],
        detail=item["detail"],
    )


def refused_row(item: Mapping[str, Any]) -> RefusedRow:
    """A refused callback, with its headers and body where the answer has them."""
    return RefusedRow(
        id=item["id"],
        refusal=Refusal(
            source=item["source"],
            code=item["code"],
            detail=item["detail"],
            received_at=milliseconds(item["received_at"]),
            method=item["method"],
            path=item["path"],
            headers=tuple((header["name"], header["value"]) for header in item.get("headers", ())),
            body=(item.get("body") or "").encode(),
            size=item["size_bytes"],
            peer=item["peer"],
            verified=item["verified"],
        ),
    )


def sink_row(item: Mapping[str, Any]) -> SinkRow:
    """A sink with its counts and its gate."""
    gate = Gate(
        sink=item["name"],
        paused=item["state"] == "paused",
        open_until=optional_ms(item["probe_after"]),
        reason=item["reason"],
    )
    return SinkRow(
        name=item["name"],
        waiting=item["waiting"],
        sending=item["sending"],
        delivered=item["delivered"],
        dead=item["dead"],
        oldest_waiting_at=optional_ms(item["oldest_waiting_at"]),
        gate=gate,
        under_way=tuple(UnderWay(**one) for one in item.get("under_way", ())),
    )


def source_row(item: Mapping[str, Any]) -> SourceRow:
    """A source, and what was heard of it."""
    return SourceRow(
        name=item["name"],
        seen_at=optional_ms(item["last_seen"]),
        refused=item["refused_kept"],
        refused_at=optional_ms(item["refused_at"]),
        ignored=tuple(
            Heard(
                source=item["name"],
                vendor_type=heard["vendor_type"],
                at=milliseconds(heard["at"]),
                size=heard["size_bytes"],
                ignored=True,
            )
            for heard in item["ignored"]
        ),
        reconciled_at=optional_ms(item.get("reconciled_at")),
        reconcile_error=item.get("reconcile_error"),
        reconcile_failures=item.get("reconcile_failures", 0),
        keys=[
            KeyRow(
                place=key["place"],
                name=key["name"],
                time=key["time"],
                valid_from=optional_ms(key["valid_from"]),
                valid_until=optional_ms(key["valid_until"]),
                used_at=optional_ms(key["last_used_at"]),
                may_go=key["may_go"],
            )
            for key in item.get("keys", ())  # absent: an older gateway
        ],
    )


def audit_row(item: Mapping[str, Any]) -> AuditRow:
    """What somebody did."""
    return AuditRow(
        id=item["id"],
        at=milliseconds(item["at"]),
        actor=item["who"],
        place=item["from"],
        act=item["act"],
        target=item["target"],
        filter=item["filter"],
        matched=item["matched"],
        done=item["done"],
        result=item["result"],
    )
