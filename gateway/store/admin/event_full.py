"""One event with everything that is kept of it: what it says, the verdicts of routes, what is held beside it, and what
it follows on and what follows on it."""

from __future__ import annotations

from typing import Final

from gateway.errors import NotFound
from gateway.events.cloudevents import to_json
from gateway.store.admin.event_lookup import row_of, seq_of
from gateway.store.admin.pages import EVENT, event_row
from gateway.store.admin.shown_rows import EventFull, EventRow, LaterVerdict
from gateway.store.engine.batch import read_event
from gateway.store.engine.encrypted_rows import VERDICT, EventKey, decrypt, open_event
from gateway.store.engine.session import Session
from gateway.store.outbox import recording_joins

_CONTENT: Final = "SELECT body, raw, raw_type, variant, supersedes, routing, seal FROM events WHERE seq = :seq"
_VERDICTS: Final = "SELECT made_at, made_by, routing FROM verdicts WHERE event = :seq ORDER BY id"
_CONFLICTS: Final = "SELECT conflicts FROM events WHERE id = :id AND source = :source ORDER BY seq LIMIT 1"
_BESIDE: Final = f"""{EVENT} WHERE e.seq <> :seq AND ((e.id = :id AND e.source = :source)
  OR (e.seal IS NOT NULL AND e.seal = CAST(:seal AS {{blob}}))) ORDER BY e.seq LIMIT 20"""
CHILDREN_SHOWN_MAX: Final = 100
_CHILDREN: Final = f"""{EVENT} WHERE e.cause = :ref AND e.source = :source AND e.cause IS NOT NULL
  ORDER BY e.seq LIMIT {CHILDREN_SHOWN_MAX}"""
_CAUSE: Final = "SELECT cause FROM events WHERE seq = :seq AND cause IS NOT NULL"
_BLOB: Final = {"sqlite": "blob", "postgresql": "bytea"}


def full(session: Session, ref: str) -> EventFull:
    """The event that `ref` names with everything that is kept of it. Raises NotFound, Ambiguous."""
    seq = seq_of(session, ref)
    content = session.rows(_CONTENT, {"seq": seq})
    row = row_of(session, seq)  # after the content: a row that is still there had one
    ((body, raw, raw_type, variant, supersedes, routing, seal),) = content
    key = EventKey(row.source, row.id, bytes(variant))
    body, raw = open_event(session, key, body, raw)
    named = {"id": row.id, "source": row.source}
    beside = session.rows(_BESIDE.format(blob=_BLOB[session.backend]), {**named, "seq": seq, "seal": seal})
    return EventFull(
        row=row,
        body=to_json(read_event(body, raw, raw_type, variant, supersedes)) if variant else body,
        raw=raw,
        raw_type=raw_type,
        routing=decrypt(session, "events.routing", key, routing),
        verdicts=tuple(
            LaterVerdict(made_at=at, made_by=by, routing=decrypt(session, VERDICT, (row.source, row.ref), later))
            for at, by, later in session.rows(_VERDICTS, {"seq": seq})
        ),
        beside=tuple(event_row(other) for other in beside),
        children=tuple(event_row(child) for child in session.rows(_CHILDREN, {"ref": row.ref, "source": row.source})),
        cause=_cause(session, seq, row.source),
        recording=recording_joins.of_event(session, seq),
        conflicts=sum(int(count) for (count,) in session.rows(_CONFLICTS, named)),
    )


def _cause(session: Session, seq: int, source: str) -> EventRow | None:
    """The event this one follows on, while it is here."""
    for (ref,) in session.rows(_CAUSE, {"seq": seq}):
        try:
            return row_of(session, seq_of(session, f"{source}:{ref}"))
        except NotFound:  # deleted, or of another gateway
            return None
    return None
