"""Finds the one event that a person named: by id, by its first digits, or by `id~variant` for one beside the first."""

from __future__ import annotations

from typing import Final

from gateway.errors import NotFound
from gateway.store.admin.pages import EVENT, event_ref, event_row
from gateway.store.engine.session import Session
from gateway.store.records import EventFull, EventRow

LEAST_DIGITS: Final = 6
_ROWS: Final = "SELECT seq, id, variant FROM events WHERE id >= :low AND id < :high ORDER BY id, seq LIMIT :most"
_CONTENT: Final = "SELECT body, raw, raw_type, routing, seal FROM events WHERE seq = :seq"
_CONFLICTS: Final = "SELECT conflicts FROM events WHERE id = :id ORDER BY seq LIMIT 1"
_BESIDE: Final = f"""{EVENT} WHERE e.seq <> :seq AND (e.id = :id
  OR (e.seal IS NOT NULL AND e.seal = CAST(:seal AS {{blob}}))) ORDER BY e.seq LIMIT 20"""
_BLOB: Final = {"sqlite": "blob", "postgresql": "bytea"}


def seq_of(session: Session, ref: str) -> int:
    """The row of the event that `ref` names. Raises NotFound, which says what is near."""
    ref = ref.strip()
    named, tilde, variant = ref.partition("~")
    rows = session.rows("SELECT seq, id, variant FROM events WHERE id = :id ORDER BY seq", {"id": named})
    if not rows:
        rows = _by_prefix(session, named.lower(), ref)
    if not tilde:
        # The oldest of an id is the first; after an erasure it may be a variant, and is then named as one.
        return int(next((row for row in rows if not bytes(row[2])), rows[0])[0])
    found = [row for row in rows if bytes(row[2]) and bytes(row[2]).hex().startswith(variant.lower())]
    if len(found) == 1 and variant:
        return int(found[0][0])
    there = ", ".join(event_ref(row[1], row[2]) for row in rows)
    raise NotFound(f"there is no event {ref}, or not one alone; of that id there are: {there}")


def _by_prefix(session: Session, named: str, ref: str) -> list[tuple[int, str, bytes]]:
    if len(named) < LEAST_DIGITS:
        raise NotFound(f"there is no event {ref}: give its id, or at least its first {LEAST_DIGITS} digits")
    rows = list(session.rows(_ROWS, {"low": named, "high": named + "g", "most": 40}))
    ids = list(dict.fromkeys(row[1] for row in rows))
    if len(ids) == 1:
        return [(int(row[0]), row[1], row[2]) for row in rows]
    if ids:
        raise NotFound(f"{ref} names several events: {', '.join(ids[:5])}{', …' if len(ids) > 5 else ''}")
    if session.rows("SELECT 1 FROM remembered WHERE id = :id LIMIT 1", {"id": named}):
        raise NotFound(f"the event {ref} was here and is deleted; only its id is remembered")
    near = session.rows(_ROWS, {"low": named[:4], "high": named[:4] + "g", "most": 3})
    hint = f"; near it: {', '.join(dict.fromkeys(row[1] for row in near))}" if near else ""
    raise NotFound(f"there is no event {ref}{hint}; `gateway events list` shows those there are")


def row_of(session: Session, seq: int) -> EventRow:
    """The event of a row, as listed. Raises NotFound where it was deleted meanwhile."""
    rows = session.rows(f"{EVENT} WHERE e.seq = :seq", {"seq": seq})
    if not rows:
        raise NotFound("the event was deleted meanwhile")
    return event_row(rows[0])


def full(session: Session, ref: str) -> EventFull:
    """The event that `ref` names with everything that is kept of it. Raises NotFound."""
    seq = seq_of(session, ref)
    content = session.rows(_CONTENT, {"seq": seq})
    row = row_of(session, seq)  # after the content: a row that is still there had one
    body, raw, raw_type, routing, seal = content[0]
    beside = _BESIDE.format(blob=_BLOB[session.backend])
    return EventFull(
        row=row,
        body=body,
        raw=bytes(raw),
        raw_type=raw_type,
        routing=routing,
        beside=tuple(event_row(other) for other in session.rows(beside, {"seq": row.seq, "id": row.id, "seal": seal})),
        conflicts=sum(int(count) for (count,) in session.rows(_CONFLICTS, {"id": row.id})),
    )
