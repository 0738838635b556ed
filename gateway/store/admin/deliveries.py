"""Shows deliveries to people: in which state, and what a waiting one waits for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import NotFound
from gateway.model import Outcome
from gateway.store.admin.pages import MOST, among, anything, event_ref, search
from gateway.store.engine.session import Session
from gateway.store.records import AttemptRow, DeliveryRow

_SEARCH: Final = "SELECT id, sink, state FROM deliveries WHERE id < :before ORDER BY id DESC LIMIT :most"
_OF_EVENT: Final = _SEARCH.replace("WHERE", "WHERE event = :event AND")
_DELIVERY: Final = """SELECT d.id, e.id, e.variant, d.sink, d.state, d.reason, d.attempts, d.round, d.due_at, d.lane,
    d.last_error, s.paused_at, s.open_until, :now
  FROM deliveries d JOIN events e ON e.seq = d.event LEFT JOIN sinks s ON s.name = d.sink"""
_ATTEMPTS: Final = (
    """SELECT started_at, took_ms, outcome, status, detail FROM attempts WHERE delivery = :id ORDER BY token"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What the configuration says of sinks: which there are (None: nobody said), which have a rate, which take batches."""

    sinks: frozenset[str] | None
    rated: frozenset[str]
    batched: frozenset[str]
    ordered: frozenset[str]


def deliveries(
    session: Session,
    known: Configured,
    *,
    event: int | None,
    sink: str | None,
    state: str | None,
    limit: int,
    before: int | None,
) -> Sequence[DeliveryRow]:
    """A page of deliveries, newest first; `event` is the row of one."""

    def keep(row: tuple[Any, ...]) -> bool:
        return (sink is None or row[1] == sink) and (state is None or row[2] == state)

    wanted = anything if sink is state is None else keep
    limit = min(limit, MOST)
    if event is None:
        return by_id(session, known, search(session, _SEARCH, wanted, limit, before))
    return by_id(session, known, search(session, _OF_EVENT, wanted, limit, before, event=event))


def by_id(session: Session, known: Configured, ids: Collection[int]) -> Sequence[DeliveryRow]:
    """These deliveries, newest first."""
    if not ids:
        return []
    condition, values = among(session, ids)
    rows = session.rows(f"{_DELIVERY} WHERE d.id {condition} ORDER BY d.id DESC", {"ids": values})
    return [_row(row, known) for row in rows]


def one(session: Session, known: Configured, id: int) -> tuple[DeliveryRow, Sequence[AttemptRow]]:
    """A delivery with its attempts of all rounds, oldest first. Raises NotFound."""
    found = by_id(session, known, [id])
    if not found:
        raise NotFound(f"there is no delivery {id}; `gateway deliveries list` shows those there are")
    attempts = [
        AttemptRow(
            number=number, started_at=started, took_ms=took, outcome=Outcome(outcome), status=status, detail=detail
        )
        for number, (started, took, outcome, status, detail) in enumerate(session.rows(_ATTEMPTS, {"id": id}), 1)
    ]
    return found[0], attempts


def _row(row: tuple[Any, ...], known: Configured) -> DeliveryRow:
    id_, event, variant, sink, state, reason, attempts, round_, due, lane, error, paused, open_until, now = row
    held = None
    if state == "waiting":
        held = _held(sink, known, paused is not None, open_until is not None, lane, due > now)
    soonest = {"circuit": open_until, "orphaned": None, "paused": None, "order": None}.get(held or "", due)
    return DeliveryRow(
        id=id_,
        event_id=event,
        event_ref=event_ref(event, variant),
        sink=sink,
        state=state,
        held=held,
        reason=reason,
        attempts=attempts,
        round=round_,
        next_attempt_at=soonest if state == "waiting" else None,
        finished_at=due if state in {"delivered", "dead"} else None,
        last_error=error,
    )


def _held(sink: str, known: Configured, paused: bool, tripped: bool, lane: int, later: bool) -> str | None:
    """What it waits for, the widest reason first: whoever looks must know which one to end."""
    if known.sinks is not None and sink not in known.sinks:
        return "orphaned"
    if paused:
        return "paused"
    if tripped:
        return "circuit"
    if lane == 2:
        return "order"
    if later:
        return "retry"
    return "rate" if sink in known.rated else "batch" if sink in known.batched else None
