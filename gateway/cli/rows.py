"""Events, deliveries and attempts as tables and JSON show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.admin.timestamps import stamp
from gateway.cli import output
from gateway.model import stream_of

if TYPE_CHECKING:
    from gateway.store.admin.queries import StoreQueries
    from gateway.store.admin.shown_rows import AttemptRow, DeliveryRow, EventRow


def delivery_columns(ages: output.Ages) -> output.TableColumns[DeliveryRow]:
    """The columns of a table of deliveries."""
    return {
        "id": lambda row: str(row.id),
        "event": lambda row: row.event_ref,
        "type": lambda row: row.type,
        "stream": lambda row: stream_of(row.subject),
        "sink": lambda row: row.sink,
        "state": delivery_state,
        "next try": lambda row: ages.until(row.next_attempt_at),
        "age": lambda row: ages(row.received_at),
        "last error": lambda row: row.last_error or "",
    }


def short_events(admin: StoreQueries) -> output.PrepareColumns[DeliveryRow]:
    """Puts the short names of events into a table of deliveries."""

    def prepare(
        columns: output.TableColumns[DeliveryRow], rows: Sequence[DeliveryRow]
    ) -> output.TableColumns[DeliveryRow]:
        short = admin.short_refs((row.event_ref, row.event_id, row.source) for row in rows)
        return {**columns, "event": lambda row: short[row.event_ref, row.source]}

    return prepare


def delivery_object(row: DeliveryRow) -> dict[str, object]:
    """A delivery as JSON shows it: as the API does, but for what its event says of itself."""
    from gateway.admin.views import delivery_fields

    of_its_event = {"source", "type", "subject", "received_at"}
    return {name: value for name, value in delivery_fields(row).items() if name not in of_its_event}


def attempt_object(row: AttemptRow) -> dict[str, object]:
    """An attempt as JSON shows it."""
    return {
        "number": row.number,
        "started_at": stamp(row.started_at),
        "seconds": row.took_ms / 1000,
        "outcome": row.outcome.value,
        "status": row.status,
        "detail": row.detail,
    }


def delivery_state(row: DeliveryRow) -> str:
    """Its state, and what it waits for or why it is dead."""
    because = row.waits_for or row.reason
    return f"{row.state} ({because})" if because else row.state


def event_object(row: EventRow) -> dict[str, object]:
    """An event as JSON shows it; `supersedes` and `superseded` only where there is one."""
    others = {"supersedes": row.supersedes, "superseded": row.superseded}
    return {name: ref for name, ref in others.items() if ref is not None} | {
        "ref": row.ref,
        "id": row.id,
        "source": row.source,
        "type": row.type,
        "subject": row.subject,
        "received_at": stamp(row.received_at),
        "held": None if row.held is None else row.held.value,
        "deliveries": dict(row.deliveries),
    }


def event_state(row: EventRow) -> str:
    """What became of it, in a few words: what a person must look at first."""
    if row.held is not None:
        return f"held: {row.held}"
    counts = [
        (row.deliveries[state], state)
        for state in ("dead", "waiting", "sending", "delivered")
        if state in row.deliveries
    ]
    kinds = [f"{count} {state}" for count, state in counts if count]
    return (
        ", ".join(kinds if len(kinds) < 3 else [kinds[0], f"{sum(count for count, _ in counts[1:])} others"])
        or "no route"
    )
