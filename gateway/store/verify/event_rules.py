"""What must hold of stored events that no statement can say: that they can be read, and went where their routes named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.errors import ValueUnreadable
from gateway.model import Event
from gateway.store.engine.batch import read_event
from gateway.store.engine.encrypted_rows import EventKey, decrypt, open_body
from gateway.store.engine.session import Columns, Session
from gateway.store.verify.violations import Violation

ROWS_MAX: Final = 200  # events in memory at a time, without the vendor's bytes
# Of other content under a known id (it has a variant) the routes' word is only what would have been: a person released it.
EVENTS: Final = """SELECT r.seq, r.id, r.source, r.type, r.subject, r.trust, r.received_at, r.variant, r.body, r.routing,
    (SELECT count(*) FROM deliveries d WHERE d.event = r.seq)
  FROM events r WHERE r.seq > :after AND r.seq <= :upto ORDER BY r.seq LIMIT :most"""
"""The rows between `:after` and `:upto`, at most `:most`."""
_COLUMNS: Final = ("id", "source", "type", "subject", "trust", "received_at")


def violations_of(session: Session, rows: Sequence[Columns]) -> Iterator[Violation]:
    """The violations of these rows of `EVENTS`."""
    for seq, id_, source, type_, subject, trust, received_at, variant, body, routing, deliveries in rows:
        key = EventKey(source, id_, bytes(variant))
        event, why = _event_of(session, key, body)
        if event is None:
            yield Violation("event", f"events {seq}", f"event {id_} (row {seq}) cannot be sent: {why}")
        else:
            shown = _repeated_columns(event)
            columns = (id_, source, type_, subject, trust, received_at)
            for name, column, said in zip(_COLUMNS, columns, shown, strict=True):
                if column != said:
                    text = f"event {id_} (row {seq}) says the {name} {column}, and its body {said}"
                    yield Violation("event", f"events {seq}", text)
        expected = _wanted(session, key, routing)
        if expected is None:
            yield Violation("routed", f"events {seq}", f"event {id_} (row {seq}): what its routes said cannot be read")
        elif not variant and deliveries < len(expected):
            yield Violation(
                "routed",
                f"events {seq}",
                f"event {id_} (row {seq}) was to go to {', '.join(expected)}, and has {deliveries} deliveries",
            )


def _event_of(session: Session, key: EventKey, body: str) -> tuple[Event | None, str]:
    """The event that a body says, or why it cannot be read."""
    try:
        return read_event(open_body(session, key, body), b"", "", b"", None), ""
    except ValueUnreadable as error:
        return None, str(error)
    except Exception as error:  # whatever is wrong with it, a lane could not read it either
        return None, f"its body cannot be read ({type(error).__name__})"


def _repeated_columns(event: Event) -> tuple[str, str, str, str, int, int]:
    """What columns repeat of a body, because rows are found by it: as `_COLUMNS` names it."""
    received_at = int(event.received_at.timestamp() * 1000)
    return event.id, event.source, event.type, event.subject, event.trust.rank, received_at


def _wanted(session: Session, key: EventKey, routing: str) -> list[str] | None:
    """The sinks that its routes named, without those that it was kept from; None: it cannot be read."""
    try:
        verdicts = json.loads(decrypt(session, "events.routing", key, routing))
        named: dict[str, None] = {}
        spared: set[str] = set()
        for verdict in verdicts:
            if "clause" not in verdict:
                named.update(dict.fromkeys(verdict.get("to") or ()))
            spared.update(verdict.get("about") or (), verdict.get("cause") or ())
    except (ValueUnreadable, ValueError, TypeError, AttributeError, RecursionError):
        return None
    return [sink for sink in named if sink not in spared]
