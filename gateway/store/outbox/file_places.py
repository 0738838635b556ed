"""The rule of one file under two ids: a callback that comes after the vendor's list had its file, and the other way round.

The list has no name that a callback has, so its event has an id of its own. Where the file lies is kept of the events of
sources whose vendor is asked, as long as their ids are, and looked up under a lock by both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.events.cloudevents import from_document, render
from gateway.events.places import agree, places_of
from gateway.model import FILE_COMPLETED, Event, Trust
from gateway.store.engine.batch import Bulk
from gateway.store.engine.encrypted_rows import EventKey, body_if_readable
from gateway.store.engine.session import Session
from gateway.store.records import Accepted, NewEvent

_FRESH_MS: Final = 12 * 3_600_000  # so old, what is still listed is noted again, because it is forgotten after a while

_KNOWN: Final = "SELECT id, listed, trust, seen_at FROM file_places WHERE source = :source AND place = :place ORDER BY listed DESC, id"
_NOTE: Final = """INSERT INTO file_places (source, place, id, listed, trust, seen_at)
  VALUES (:source, :place, :id, :listed, :trust, :now) ON CONFLICT (source, place, id) DO UPDATE SET
    seen_at = excluded.seen_at, listed = CASE WHEN excluded.listed = 1 THEN 1 ELSE file_places.listed END,
    trust = CASE WHEN excluded.trust > file_places.trust THEN excluded.trust ELSE file_places.trust END"""
_STANDING: Final = """SELECT body, variant FROM events WHERE source = :source AND id = :id AND held IS NULL
  ORDER BY superseded IS NOT NULL, trust DESC, seq LIMIT 1"""
_OF_SOURCE: Final = """SELECT seq, id, body, variant FROM events WHERE type = :type AND source = :source AND seq > :after
  AND held IS NULL ORDER BY seq LIMIT :most"""
_FORGET: Final = """DELETE FROM file_places WHERE (source, place, id) IN (
  SELECT f.source, f.place, f.id FROM file_places f WHERE f.seen_at <= :now - :remember ORDER BY f.seen_at LIMIT :most)"""


class PlaceRow(NamedTuple):
    """An event whose file lies at a place. `listed`: the vendor's list brought it."""

    id: str
    listed: int
    trust: int
    seen_at: int


def names_of_places(events: Sequence[NewEvent]) -> set[str]:
    """What nobody else may decide about meanwhile: whose file lies where."""
    return {f"file {new.event.source} {place.hex()}" for new in events for place in new.places}


def resolve(session: Session, new: NewEvent) -> NewEvent | Accepted:
    """The event as it is to be accepted: under the id that its file has already, where it has one. An answer: it says
    nothing new. Its places are locked."""
    rows = _known(session, new)
    if not rows:
        return new
    listed = next((row for row in rows if row.listed), None)
    if new.event.reconciled:
        return Accepted(id=listed.id, new=False) if listed is not None else _against(session, new, rows)
    if listed is None or any(row.id == new.event.id for row in rows):
        return new  # another callback's file, or this one again: what its own id says holds
    standing = _standing(session, new.event.source, listed.id)
    if standing is None:
        return Accepted(id=listed.id, new=False)
    if agree(new.event, standing) and new.event.trust.rank < standing.trust.rank:
        return Accepted(id=listed.id, new=False)
    return _renamed(new, listed.id, better=agree(new.event, standing))


def _against(session: Session, new: NewEvent, rows: Sequence[PlaceRow]) -> NewEvent | Accepted:
    """A listed file whose callback came: nothing new, unless what came is trusted less and says that the file lies elsewhere."""
    told = next((row for row in rows if _tells(session, new, row)), None)
    return _renamed(new, rows[0].id) if told is None else Accepted(id=told.id, new=False)


def _tells(session: Session, new: NewEvent, row: PlaceRow) -> bool:
    """Whether an event whose file lies at a place of a listed one has told that one."""
    standing = _standing(session, new.event.source, row.id)
    if standing is not None:
        return agree(new.event, standing) or standing.trust.rank >= new.event.trust.rank
    # It was deleted since, and what is left of it is where its file lay.
    return row.trust >= Trust.FIELDS.rank or all(
        _lies_at(session, new.event.source, place, row.id) for place in new.places
    )


def _lies_at(session: Session, source: str, place: bytes, id: str) -> bool:
    rows = session.rows(_KNOWN, {"source": source, "place": place})
    return any(PlaceRow(*columns).id == id for columns in rows)


def _known(session: Session, new: NewEvent) -> Sequence[PlaceRow]:
    by_id: dict[str, PlaceRow] = {}
    for place in new.places:
        values = {"source": new.event.source, "place": place}
        for row in (PlaceRow(*columns) for columns in session.rows(_KNOWN, values)):
            by_id[row.id] = row
    return sorted(by_id.values(), key=lambda row: (-row.listed, row.id))


def _standing(session: Session, source: str, id: str) -> Event | None:
    for body, variant in session.rows(_STANDING, {"source": source, "id": id}):
        readable = body_if_readable(session, EventKey(source, id, bytes(variant)), body)
        return None if readable is None else from_document(json.loads(readable))
    return None


def _renamed(new: NewEvent, id: str, *, better: bool = False) -> NewEvent:
    event = new.event.replace(id=id)
    body, fingerprint = render(event)
    if new.redacted:  # what it said before is no more, so its fingerprint is made of the one it had
        fingerprint = hashlib.sha256(b"renamed\0" + new.fingerprint).digest()[:16]
        return new.replace(event=event, body=body, fingerprint=fingerprint, other_fingerprint=b"", better=better)
    return new.replace(event=event, body=body, fingerprint=fingerprint, better=better)


def note(session: Bulk, new: NewEvent) -> None:
    """Keep where the files of an event lie that was stored."""
    for place in new.places:
        _note(session, new.event.source, place, new.event.id, new.event.trust.rank, listed=new.event.reconciled)


def note_again(session: Bulk, new: NewEvent, now: int) -> None:
    """Keep it for as long as the vendor lists it: what is forgotten would be made once more."""
    for row in _known(session, new):
        if row.seen_at < now - _FRESH_MS:
            for place in new.places:
                _note(session, new.event.source, place, row.id, row.trust, listed=bool(row.listed))


def _note(session: Bulk, source: str, place: bytes, id: str, trust: int, *, listed: bool) -> None:
    session.change(_NOTE, {"source": source, "place": place, "id": id, "listed": int(listed), "trust": trust})


def note_stored(session: Bulk, source: str, after: int, most: int) -> tuple[int, int]:
    """Keep the places of the next `most` events that were stored without: before the vendor was asked, or by a gateway that does not ask.

    How many events were looked at, and the last of them.
    """
    values: dict[str, object] = {"type": FILE_COMPLETED, "source": source, "after": after, "most": most}
    rows = session.rows(_OF_SOURCE, values)
    for _, id_, body, variant in rows:
        readable = body_if_readable(session, EventKey(source, id_, bytes(variant)), body)
        if readable is None:
            continue
        event = from_document(json.loads(readable))
        for place in places_of(event):
            _note(session, source, place, id_, event.trust.rank, listed=event.reconciled)
    return len(rows), rows[-1][0] if rows else after


def forget_step(session: Session, remember: int, most: int) -> int:
    """Forget up to `most` places that were kept for `remember` ms; how many."""
    return session.change(_FORGET, {"remember": remember, "most": most})
