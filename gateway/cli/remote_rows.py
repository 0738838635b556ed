"""The rows of a store elsewhere, made of what its admin API answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from gateway.admin.timestamps import milliseconds
from gateway.model import Outcome, Value
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

JsonItem = Mapping[str, Any]  # of an answer: JSON of a gateway that may be older or newer than this one
R = TypeVar("R", bound=Value)


def item_result(item: JsonItem) -> ItemResult:
    """What was done to one."""
    return ItemResult(item["target"], item["text"], well=item["done"])


def optional_ms(text: str | None) -> int | None:
    """A time in milliseconds, where there is one."""
    return None if text is None else milliseconds(text)


def _row(row: type[R], item: JsonItem, *times: str, **given: object) -> R:
    """A row by the names that the answer has too, among them times; what a newer gateway says besides is left out."""
    values = {name: item[name] for name in row.__struct_fields__ if name in item}
    values |= {name: optional_ms(item[name]) for name in times}
    return row(**values | given)


def event_row(item: JsonItem) -> EventRow:
    """An event as listed."""
    return _row(EventRow, item, "received_at", held=None if item["held"] is None else Held(item["held"]))


def delivery_row(item: JsonItem) -> DeliveryRow:
    """A delivery as listed."""
    return _row(DeliveryRow, item, "next_attempt_at", "finished_at", "received_at", waits_for=item["held"])


def attempt_row(item: JsonItem) -> AttemptRow:
    """One attempt."""
    took_ms = round(item["seconds"] * 1000)
    return _row(AttemptRow, item, "started_at", took_ms=took_ms, outcome=Outcome(item["outcome"]))


def refused_row(item: JsonItem) -> RefusedRow:
    """A refused callback, with its headers and body where the answer has them."""
    headers = tuple((header["name"], header["value"]) for header in item.get("headers", ()))
    body = (item.get("body") or "").encode()
    refusal = _row(Refusal, item, "received_at", headers=headers, body=body, size=item["size_bytes"])
    return RefusedRow(id=item["id"], refusal=refusal)


def sink_row(item: JsonItem) -> SinkRow:
    """A sink with its counts and its gate."""
    gate = Gate(
        sink=item["name"],
        paused=item["state"] == "paused",
        open_until=optional_ms(item["probe_after"]),
        reason=item["reason"],
    )
    under_way = tuple(_row(UnderWay, one) for one in item.get("under_way", ()))
    return _row(SinkRow, item, "oldest_waiting_at", gate=gate, under_way=under_way)


def source_row(item: JsonItem) -> SourceRow:
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
            _row(KeyRow, key, "valid_from", "valid_until", used_at=optional_ms(key["last_used_at"]))
            for key in item.get("keys", ())  # absent: an older gateway
        ],
    )


def audit_row(item: JsonItem) -> AuditRow:
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
