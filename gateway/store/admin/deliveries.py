"""Shows deliveries to people: in which state, and what a waiting one waits for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway.errors import NotFound
from gateway.model import ALARM_PREFIX, Outcome
from gateway.states import DeadReason, DeliveryState, WaitsFor
from gateway.store.admin import event_lookup
from gateway.store.admin.detour import readable
from gateway.store.admin.pages import (
    PAGE_ROWS_MAX,
    among,
    anything,
    event_ref,
    fits,
    of_stream,
    onwards,
    search,
    several,
)
from gateway.store.admin.walk import Walk
from gateway.store.engine.session import Session
from gateway.store.records import AttemptRow, DeliveryRow, Rank

_SEARCH: Final = "SELECT d.id, d.sink, d.state, d.reason, d.rank, d.due_at FROM deliveries d WHERE {condition}d.id <= :before - 1 ORDER BY d.id DESC LIMIT :most"
_JOINED: Final = """SELECT d.id, d.sink, d.state, d.reason, d.rank, d.due_at, d.since_at, e.source, e.type, e.subject, e.received_at
  FROM deliveries d JOIN events e ON e.seq = d.event WHERE {condition}d.id <= :before - 1 ORDER BY d.id DESC LIMIT :most"""
_OF_EVENT: Final = 6  # the first of the event's columns
_GATES: Final = "SELECT name, paused_at, open_until FROM sinks"
_DELIVERY: Final = """SELECT d.id, e.id, e.variant, d.sink, d.state, d.reason, d.attempts, d.round, d.due_at, d.rank,
    d.last_error, s.paused_at, s.open_until, :now, e.source, e.type, e.subject, e.received_at
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Which deliveries are meant; None: any. Texts that can be several are any of these. `source`, `type` and `stream`
    are globs, `since` and `until` are when their event came (ms), `held` is what a waiting one waits for."""

    event: str | None = None
    sink: Sequence[str] | str | None = None
    state: DeliveryState | None = None
    held: WaitsFor | None = None
    reason: DeadReason | None = None
    source: Sequence[str] | str | None = None
    type: Sequence[str] | str | None = None
    stream: Sequence[str] | str | None = None
    since: int | None = None
    until: int | None = None

    def said(self) -> dict[str, Any]:
        """What was asked for, for the audit log and for a job."""
        found = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) is not None}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}

    @property
    def of_events(self) -> bool:
        """Whether it asks for anything that the event says."""
        return any(one is not None for one in (self.source, self.type, self.stream, self.since, self.until))

    @property
    def plain(self) -> bool:
        """Whether every delivery, or every one of an event, is meant."""
        return not set(self.said()) - {"event"}

    def keeps(self, row: tuple[Any, ...]) -> bool:
        """Whether a row of a search is meant; `held` is asked of the whole row later."""
        if self.sink is not None and row[1] not in several(self.sink):
            return False
        if (self.state is not None and row[2] != self.state) or (self.held is not None and row[2] != "waiting"):
            return False
        if self.reason is not None and row[3] != self.reason:
            return False
        if not self.of_events:
            return True
        _, source, type_, subject, received_at = row[_OF_EVENT:]
        if type_.startswith(ALARM_PREFIX) and self.stream is not None:
            return False  # it is about a source or a sink, whose name is no stream's
        return (
            fits(self.source, source)
            and fits(self.type, type_)
            and (self.stream is None or any(of_stream(subject, glob) for glob in several(self.stream)))
            and (self.since is None or received_at >= self.since)
            and (self.until is None or received_at < self.until)
        )

    def over(self, row: tuple[Any, ...]) -> bool:
        """Whether every row after this one is too old: it was made before, and an event comes before its deliveries."""
        return self.since is not None and row[_OF_EVENT] < self.since


def deliveries(
    session: Session,
    known: Configured,
    wanted: DeliveryFilter,
    *,
    limit: int,
    before: int | None,
    walk: Walk | None = None,
) -> Sequence[DeliveryRow]:
    """A page of deliveries, newest first."""
    return by_id(session, known, ids(session, known, wanted, limit=min(limit, PAGE_ROWS_MAX), before=before, walk=walk))


def ids(
    session: Session,
    known: Configured,
    wanted: DeliveryFilter,
    *,
    limit: int,
    before: int | None,
    walk: Walk | None = None,
) -> list[int]:
    """The ids of the deliveries that are meant, newest first. Raises NotFound for an event that is not there."""
    statement, keep, values = _statement(session, known, wanted)
    over = wanted.over if wanted.since is not None else None
    return search(session, statement, keep, limit, before, over=over, walk=walk, **values)


def _statement(
    session: Session, known: Configured, wanted: DeliveryFilter
) -> tuple[str, Callable[[tuple[Any, ...]], bool], dict[str, Any]]:
    values: dict[str, Any] = {} if wanted.event is None else {"event": event_lookup.seq_of(session, wanted.event)}
    condition = "d.event = :event AND " if values else ""
    sinks = None if wanted.sink is None else several(wanted.sink)
    if (
        sinks is not None and len(sinks) == 1 and wanted.state == "dead"
    ):  # an index has them; elsewhere a window is read
        condition += "d.sink = :sink AND d.state = 'dead' AND "
        values["sink"] = sinks[0]
    statement = (_JOINED if wanted.of_events else _SEARCH).format(condition=condition)
    keep = anything if wanted.plain else wanted.keeps if wanted.held is None else _held_as(session, known, wanted)
    return statement, keep, values


def forward(
    session: Session, known: Configured, wanted: DeliveryFilter, *, after: int, upto: int, most: int
) -> tuple[list[int], int]:
    """The next deliveries that are meant, oldest first; and the last row that was looked at."""
    statement, keep, values = _statement(session, known, wanted)
    statement = statement.replace(
        "d.id <= :before - 1 ORDER BY d.id DESC", "d.id > :after AND d.id <= :upto ORDER BY d.id"
    )
    return onwards(session, statement, keep, after=after, upto=upto, most=most, **values)


def _held_as(session: Session, known: Configured, wanted: DeliveryFilter) -> Callable[[tuple[Any, ...]], bool]:
    """Keeps those that wait for what is asked for, as the gates of their sinks are now."""
    gates = {name: (paused is not None, open_until is not None) for name, paused, open_until in session.rows(_GATES)}
    ((now,),) = session.rows("SELECT CAST(:now AS bigint)")

    def keep(row: tuple[Any, ...]) -> bool:
        if not wanted.keeps(row):
            return False
        paused, tripped = gates.get(row[1], (False, False))
        return _held(row[1], known, paused, tripped, row[4], row[5] > now) == wanted.held

    return keep


def by_id(session: Session, known: Configured, ids: Collection[int]) -> Sequence[DeliveryRow]:
    """These deliveries, newest first."""
    if not ids:
        return []

    def ask(some: Sequence[int]) -> Sequence[tuple[Any, ...]]:
        condition, values = among(session, some)
        return session.rows(f"{_DELIVERY} WHERE d.id {condition} ORDER BY d.id DESC", {"ids": values})

    return [_row(row, known) for row in readable(session, sorted(ids, reverse=True), ask)]


def one(session: Session, known: Configured, id: int) -> tuple[DeliveryRow, Sequence[AttemptRow]]:
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


def _row(row: tuple[Any, ...], known: Configured) -> DeliveryRow:
    id_, event, variant, sink, state, reason, attempts, round_, due, rank, error, paused, open_until, now = row[:14]
    held = None
    if state == "waiting":
        held = _held(sink, known, paused is not None, open_until is not None, rank, due > now)
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
        source=row[14],
        type=row[15],
        subject=row[16],
        received_at=row[17],
    )


def _held(sink: str, known: Configured, paused: bool, tripped: bool, rank: int, later: bool) -> WaitsFor | None:
    """What it waits for, the widest reason first: whoever looks must know which one to end."""
    if known.sinks is not None and sink not in known.sinks:
        return "orphaned"
    if paused:
        return "paused"
    if tripped:
        return "circuit"
    if rank == Rank.BEHIND:
        return "order"
    if later:
        return "retry"
    if rank == Rank.LAST:
        return "last"
    return "rate" if sink in known.rated else "batch" if sink in known.batched else None
