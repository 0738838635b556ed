"""Tells what is overdue, and what came after all: each once, in the transaction that notes that it was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from gateway.errors import ValueUnreadable
from gateway.model import Event
from gateway.states import WatchState
from gateway.store.engine.batch import Bulk, read_event
from gateway.store.engine.encrypted_rows import EventKey, open_event
from gateway.store.engine.session import Columns, Session
from gateway.store.outbox.accept import accept
from gateway.store.outbox.recording_joins import joined_until, lock, overdue_by, put_in
from gateway.store.outbox.watches import WatchRule
from gateway.store.records import Accepted, NewEvent

# what came in time is joined: it may be among what is not, and then nothing is overdue
_RIPE: Final = """w.state IN ('waiting', 'back') AND w.due_at <= :now
  AND (w.state = 'back' OR w.due_at < coalesce(CAST(:joined AS bigint), w.due_at + 1))"""
_IS_DUE: Final = f"SELECT 1 FROM watches w WHERE {_RIPE} LIMIT 1"  # noqa: S608
_DUE: Final = f"""SELECT w.id, w.rule, w.state, w.expect, w.since_at, w.recording, w.event, :now FROM watches w
  WHERE {_RIPE} ORDER BY w.due_at, w.id LIMIT :most"""  # noqa: S608
_EVENT: Final = "SELECT body, raw, raw_type, variant, supersedes, source, id FROM events WHERE seq = :event"
_DROP: Final = "DELETE FROM watches WHERE id = :id"
_TOLD: Final = "UPDATE watches SET state = CASE WHEN state = 'waiting' THEN 'overdue' ELSE 'over' END WHERE id = :id"
_SEQ: Final = "SELECT seq FROM events WHERE source = :source AND id = :id ORDER BY seq LIMIT 1"


class WatchDue(NamedTuple):
    """What is to be told: a row of `watches`, and the store's time."""

    id: int
    rule: str
    state: WatchState
    expect: str
    since_at: int
    recording: int
    event: int
    now: int

    @property
    def came(self) -> bool:
        """Whether it came after all; else it is overdue."""
        return self.state == "back"


class Told(NamedTuple):
    """What was told."""

    new: NewEvent
    accepted: Accepted


def is_due(session: Session) -> bool:
    """Whether something is to be told; along the index of what is due."""
    return bool(session.rows(_IS_DUE, {"joined": joined_until(session)}))


def store_due(
    session: Bulk, rules: Sequence[WatchRule], make: Callable[[WatchDue, Event], NewEvent], owner: str, most: int
) -> tuple[Sequence[Told], bool]:
    """Store what is due, `most` of it, as events of its recording, and whether there may be more. Rows of rules that are gone,
    or whose event is, go too."""
    names = {rule.name for rule in rules}
    stored: list[Told] = []
    with session.atomic():
        lock(session)
        due = session.rows(_DUE, {"joined": joined_until(session), "most": most})
        for row in [WatchDue(*columns) for columns in due]:
            rows = session.rows(_EVENT, {"event": row.event}) if row.rule in names else ()
            event = _event(session, next(iter(rows))) if rows else None
            if event is None:
                if row.came:
                    overdue_by(session, row.recording, -1)
                session.change(_DROP, {"id": row.id})
                continue
            new = make(row, event)
            ((accepted,),) = accept(session, [[new]], owner)
            session.change(_TOLD, {"id": row.id})
            overdue_by(session, row.recording, -1 if row.came else 1)
            for (seq,) in session.rows(_SEQ, {"source": new.event.source, "id": new.event.id}):
                put_in(session, seq, row.recording)
            stored.append(Told(new, accepted))
    return stored, len(due) == most


def _event(session: Bulk, columns: Columns) -> Event | None:
    """None: nobody can open it any more, and what waits behind it is as if it were gone."""
    body, raw, raw_type, variant, supersedes, source, id_ = columns
    try:
        body, raw = open_event(session, EventKey(source, id_, bytes(variant)), body, raw)
    except ValueUnreadable:
        return None
    return read_event(body, raw, raw_type, variant, supersedes)
