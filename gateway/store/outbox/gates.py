"""The rules of circuits, pauses and the clock that stands still with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from gateway.store.engine.batch import storable
from gateway.store.engine.session import Columns, Session, value_of
from gateway.store.outbox import statements as sql
from gateway.store.records import Gate

UNSERVED_MS: Final = (
    3 * 60 * 1000
)  # ms nobody may be silent about a sink before its clock stands still: `serving` comes each minute


def trip(session: Session, sink: str, pause: int, reason: str) -> Gate:
    """Open a circuit for `pause` ms, unless it is open; the gate as it is now."""
    session.change(sql.TRIP, {"sink": sink, "pause": max(pause, 0), "reason": storable(reason)})
    return gate_of(session, sink)


def probe(session: Session, sink: str, lease: int) -> int | None:
    """Take the right to probe, if the pause is over and nobody probes; the mark for `probed`."""
    mark = value_of(session.rows(sql.PROBE, {"sink": sink, "lease": lease}))
    return None if mark is None else int(mark)


def probed(session: Session, sink: str, mark: int, good: bool, pause: int, reason: str) -> None:
    """Close the circuit, or keep it open `pause` ms more; nothing if the mark is another's."""
    if good:
        session.change(sql.PROBED_GOOD, {"sink": sink, "mark": mark})
    else:
        values = {"sink": sink, "mark": mark, "pause": max(pause, 0), "reason": storable(reason)}
        session.change(sql.PROBED_BAD, values)


def all_gates(session: Session) -> Mapping[str, Gate]:
    """The gate of every sink that has a row."""
    return {gate.sink: gate for gate in map(_gate, session.rows(sql.GATES))}


def gate_of(session: Session, sink: str) -> Gate:
    """The gate of one sink, open where it has no row."""
    for row in session.rows(sql.GATE, {"sink": sink}):
        return _gate(row)
    return Gate(sink=sink)


def serving(session: Session, sinks: Collection[str]) -> None:
    """Note that these sinks are carried now; a gap before it counts as stalled."""
    with session.atomic():
        for sink in sorted(sinks):
            session.change(sql.SERVING, {"sink": sink, "gap": UNSERVED_MS})


def _gate(row: Columns) -> Gate:
    name, paused_at, open_until, pauses, reason, stalled = row
    return Gate(
        sink=name, paused=paused_at is not None, open_until=open_until, pauses=pauses, stalled=stalled, reason=reason
    )
