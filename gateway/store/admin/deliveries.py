"""Shows deliveries to people: in which state, and what a waiting one waits for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple, assert_never

from gateway.errors import NotFound
from gateway.model import Outcome
from gateway.states import DeadReason, DeliveryState, WaitsFor
from gateway.store.admin import event_lookup
from gateway.store.admin.configured import Knowing
from gateway.store.admin.damage_bypass import readable
from gateway.store.admin.delivery_filter import DeliveryFilter, DeliveryKeys
from gateway.store.admin.pages import (
    PAGE_ROWS_MAX,
    among,
    anything,
    event_ref,
    onwards,
    search,
    values_of,
)
from gateway.store.admin.partial_indexes import indexed_deliveries
from gateway.store.admin.search_budget import SearchBudget
from gateway.store.admin.shown_rows import AttemptRow, DeliveryRow
from gateway.store.engine.session import Columns, Session
from gateway.store.records import Rank

_SEARCH: Final = "SELECT d.id, d.sink, d.state, d.reason, d.rank, d.due_at FROM deliveries d WHERE {condition}d.id <= :before - 1 ORDER BY d.id DESC LIMIT :most"
_JOINED: Final = """SELECT d.id, d.sink, d.state, d.reason, d.rank, d.due_at, d.since_at, e.source, e.type, e.subject, e.received_at
  FROM deliveries d JOIN events e ON e.seq = d.event WHERE {condition}d.id <= :before - 1 ORDER BY d.id DESC LIMIT :most"""
_GATES: Final = "SELECT name, paused_at, open_until FROM sinks"
_DELIVERY: Final = """SELECT d.id, e.id, e.variant, d.sink, d.state, d.reason, d.attempts, d.round, d.due_at, d.rank,
    d.last_error, s.paused_at, s.open_until, :now, e.source, e.type, e.subject, e.received_at
  FROM deliveries d JOIN events e ON e.seq = d.event LEFT JOIN sinks s ON s.name = d.sink"""
_ATTEMPTS: Final = (
    """SELECT started_at, took_ms, outcome, status, detail FROM attempts WHERE delivery = :id ORDER BY token"""
)


class _DeliveryColumns(NamedTuple):
    """What `_DELIVERY` gives."""

    id: int
    event: str
    variant: bytes
    sink: str
    state: DeliveryState
    reason: DeadReason | None
    attempts: int
    round: int
    due_at: int
    rank: Rank
    last_error: str | None
    paused_at: int | None
    open_until: int | None
    now: int
    source: str
    type: str
    subject: str
    received_at: int


def deliveries(
    session: Session,
    known: Knowing,
    filter: DeliveryFilter,
    *,
    limit: int,
    before: int | None,
    budget: SearchBudget | None = None,
) -> Sequence[DeliveryRow]:
    """A page of deliveries, newest first."""
    return by_id(
        session, known, ids(session, known, filter, limit=min(limit, PAGE_ROWS_MAX), before=before, budget=budget)
    )


def ids(
    session: Session,
    known: Knowing,
    filter: DeliveryFilter,
    *,
    limit: int,
    before: int | None,
    budget: SearchBudget | None = None,
) -> list[int]:
    """The ids of the deliveries that are meant, newest first. Raises NotFound for an event that is not there."""
    statement, keep, values = _statement(session, known, filter)
    by: tuple[str, Callable[[DeliveryKeys], bool]] | None = None
    if filter.event is None and (few := indexed_deliveries(session, "waiting" if filter.waits_for else filter.state)):
        by, statement = (statement, keep), statement.replace("d.id <= :before", f"{few}d.id <= :before")
    over = filter.over if filter.since is not None else None
    return search(
        session, statement, _keys, keep, limit, before, over=over, budget=budget, round_damage_by=by, **values
    )


def _statement(
    session: Session, known: Knowing, filter: DeliveryFilter
) -> tuple[str, Callable[[DeliveryKeys], bool], dict[str, object]]:
    values: dict[str, object] = {} if filter.event is None else {"event": event_lookup.seq_of(session, filter.event)}
    condition = "d.event = :event AND " if values else ""
    sinks = None if filter.sink is None else values_of(filter.sink)
    if (
        sinks is not None and len(sinks) == 1 and filter.state == "dead"
    ):  # an index has them; elsewhere a window is read
        condition += "d.sink = :sink AND d.state = 'dead' AND "
        values["sink"] = sinks[0]
        if isinstance(filter.reason, str):
            condition += "d.reason = :reason AND "
            values["reason"] = filter.reason
    statement = (_JOINED if filter.of_events else _SEARCH).format(condition=condition)
    keep = anything if filter.plain else filter.keeps if filter.waits_for is None else _waits_as(session, known, filter)
    return statement, keep, values


def forward(
    session: Session, known: Knowing, filter: DeliveryFilter, *, after: int, upto: int, most: int
) -> tuple[list[int], int]:
    """The next deliveries that are meant, oldest first; and the last row that was looked at."""
    statement, keep, values = _statement(session, known, filter)
    statement = statement.replace(
        "d.id <= :before - 1 ORDER BY d.id DESC", "d.id >= :after + 1 AND d.id <= :upto ORDER BY d.id"
    )
    return onwards(session, statement, _keys, keep, after=after, upto=upto, most=most, **values)


def _waits_as(session: Session, known: Knowing, filter: DeliveryFilter) -> Callable[[DeliveryKeys], bool]:
    """Keeps those that wait for what is asked for, as the gates of their sinks are now."""
    gates = {name: (paused is not None, open_until is not None) for name, paused, open_until in session.rows(_GATES)}
    ((now,),) = session.rows("SELECT CAST(:now AS bigint)")

    def keep(row: DeliveryKeys) -> bool:
        if not filter.keeps(row):
            return False
        paused, tripped = gates.get(row.sink, (False, False))
        return _waits_for(row.sink, known, paused, tripped, row.rank, row.due_at > now) == filter.waits_for

    return keep


def by_id(session: Session, known: Knowing, ids: Collection[int]) -> Sequence[DeliveryRow]:
    """These deliveries, newest first."""
    if not ids:
        return []

    def ask(some: Sequence[int]) -> Sequence[Columns]:
        condition, values = among(session, some)
        return session.rows(f"{_DELIVERY} WHERE d.id {condition} ORDER BY d.id DESC", {"ids": values})

    return [_row(row, known) for row in readable(session, sorted(ids, reverse=True), ask)]


def delivery_of(session: Session, known: Knowing, id: int) -> tuple[DeliveryRow, Sequence[AttemptRow]]:
    """A delivery with its attempts of all rounds, oldest first. Raises NotFound."""
    matching = by_id(session, known, [id])
    if not matching:
        raise NotFound(f"there is no delivery {id}; `gateway deliveries list` shows those there are")
    attempts = [
        AttemptRow(
            number=number, started_at=started, took_ms=took, outcome=Outcome(outcome), status=status, detail=detail
        )
        for number, (started, took, outcome, status, detail) in enumerate(session.rows(_ATTEMPTS, {"id": id}), 1)
    ]
    return matching[0], attempts


def _keys(columns: Columns) -> DeliveryKeys:
    return DeliveryKeys(*columns)


def _row(columns: tuple[object, ...], known: Knowing) -> DeliveryRow:
    row = _DeliveryColumns._make(columns)
    waits_for: WaitsFor | None = None
    next_at = finished_at = None
    match row.state:
        case "waiting":
            tripped = row.open_until is not None
            waits_for = _waits_for(row.sink, known, row.paused_at is not None, tripped, row.rank, row.due_at > row.now)
            next_at = _soonest(waits_for, row)
        case "delivered" | "dead":
            finished_at = row.due_at
        case "sending":
            pass
        case _:
            assert_never(row.state)
    return DeliveryRow(
        id=row.id,
        event_id=row.event,
        event_ref=event_ref(row.event, row.variant),
        sink=row.sink,
        state=row.state,
        waits_for=waits_for,
        reason=row.reason,
        attempts=row.attempts,
        round=row.round,
        next_attempt_at=next_at,
        finished_at=finished_at,
        last_error=row.last_error,
        source=row.source,
        type=row.type,
        subject=row.subject,
        received_at=row.received_at,
    )


def _soonest(waits_for: WaitsFor | None, row: _DeliveryColumns) -> int | None:
    """When it may be sent; None: nobody knows."""
    match waits_for:
        case "circuit":
            return row.open_until
        case "orphaned" | "paused" | "order" | "owner":
            return None
        case None | "retry" | "last" | "rate" | "batch" | "consumer":
            return row.due_at
        case _:
            assert_never(waits_for)


def _waits_for(sink: str, known: Knowing, paused: bool, tripped: bool, rank: Rank, later: bool) -> WaitsFor | None:
    """What it waits for, the widest reason first: whoever looks must know which one to end."""
    if known.sinks is not None and sink not in known.sinks:
        return "orphaned"
    if paused:
        return "paused"
    if tripped and sink not in known.pulled:
        return "circuit"
    if rank == Rank.BEHIND:
        return "owner" if sink in known.owned else "order"
    if later:
        return "retry"
    if sink in known.pulled:
        return "consumer"
    if rank == Rank.LAST:
        return "last"
    return "rate" if sink in known.rated else "batch" if sink in known.batched else None
