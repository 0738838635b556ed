"""The rules of forgetting: what is deleted when, in small steps, and what is remembered of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from gateway.store.engine.session import Session
from gateway.store.outbox import erasures, file_places, recording_joins, recording_rows


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """How long finished events stay, and how much may wait."""

    remember: timedelta = timedelta(days=30)
    delivered: timedelta = timedelta(days=7)
    unrouted: timedelta = timedelta(days=7)
    dead: timedelta = timedelta(days=90)  # also what is held for a person
    refused: int = 200  # the last N of each source
    waiting: int = 1_000_000  # open deliveries; past it: StoreFull
    free_disk: int = 256 * 1024 * 1024  # bytes; SQLite only


REMEMBERED_MIN: Final = timedelta(
    hours=24
)  # a vendor repeats for so long; a shorter memory would take a repeat for a new event

# A window of rows that is walked, and in it what is finished: each delivery by its own end, an event without any by its
# coming, a held one as long as a dead one. Open deliveries keep their event whatever its age.
_FINISHED: Final = """seq > :after AND seq <= :upto AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event = events.seq
    AND (d.state IN ('waiting','sending') OR (d.state = 'delivered' AND d.due_at > :at - :delivered)
      OR (d.state = 'dead' AND d.due_at > :at - :dead)))
  AND received_at <= :at - CASE WHEN held IS NOT NULL THEN :dead
    WHEN EXISTS (SELECT 1 FROM deliveries d WHERE d.event = events.seq AND d.state = 'dead') THEN :dead
    WHEN EXISTS (SELECT 1 FROM deliveries d WHERE d.event = events.seq) THEN :delivered ELSE :unrouted END"""
_WINDOW: Final = """SELECT max(w.seq), min(w.received_at), :now FROM (SELECT seq, received_at FROM events
  WHERE seq > :after ORDER BY seq LIMIT :most) AS w"""
_REMEMBER: Final = f"""INSERT INTO remembered (id, source, fingerprint, trust, held, seal, seen_at)
  SELECT id, source, fingerprint, trust, CASE WHEN held IS NULL THEN 0 ELSE 1 END, seal, received_at FROM events
  WHERE {_FINISHED} ON CONFLICT DO NOTHING"""  # noqa: S608
_DELETE: Final = f"DELETE FROM events WHERE {_FINISHED}"  # noqa: S608
_FORGET: Final = """DELETE FROM remembered WHERE (id, source, fingerprint, trust, held) IN (
  SELECT r.id, r.source, r.fingerprint, r.trust, r.held FROM remembered r WHERE r.seen_at <= :now - :remember ORDER BY r.seen_at LIMIT :most)"""


class Step(msgspec.Struct, frozen=True):
    """Where one step of a pass ended: the cursor for the next, None at the end, and how many events went."""

    after: int | None
    deleted: int


def _ms(span: timedelta) -> int:
    return int(max(span, REMEMBERED_MIN).total_seconds() * 1000)


def sweep_step(session: Session, keep: Keep, after: int, most: int) -> Step:
    """Look at the next `most` events after the cursor and delete what is finished and old; their ids are remembered."""
    spans = {"delivered": _ms(keep.delivered), "dead": _ms(keep.dead), "unrouted": _ms(keep.unrouted)}
    with session.atomic():
        ((upto, oldest, now),) = session.rows(_WINDOW, {"after": after, "most": most})
        if upto is None or oldest > now - min(spans.values()):
            # Rows come in order of time, so everything after a window that is too young is too young.
            return Step(None, 0)
        recording_joins.lock(session)
        values = {**spans, "after": after, "upto": upto, "at": now}  # one time for both, or an id slips between them
        session.change(_REMEMBER, values)
        recordings_of_them = recording_joins.touched(session, after, upto)
        deleted = session.change(_DELETE, values)
        if deleted:
            recording_rows.forget_empty(session, recordings_of_them)
        return Step(upto, deleted)


def forget_step(session: Session, keep: Keep, most: int) -> int:
    """Forget up to `most` ids and places of files that were remembered long enough, and as many that were erased so long ago;
    how many."""
    remember = _ms(keep.remember)
    forgotten = session.change(_FORGET, {"remember": remember, "most": most})
    return forgotten + erasures.forget(session, remember, most) + file_places.forget_step(session, remember, most)
