"""Finds the one event that a person named: `id`, its first digits, `id~variant`, and with `source:` before it any of them.

Every command and the API ask here, so that a name means the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.errors import Ambiguous, NotFound
from gateway.store.admin.pages import EVENT, event_ref, event_row
from gateway.store.admin.shown_rows import EventRow
from gateway.store.engine.session import Session

PREFIX_DIGITS_MIN: Final = 6
CANDIDATES_MAX: Final = 5  # that are listed
_ROWS: Final = "SELECT seq, id, source, variant FROM events WHERE {} ORDER BY id, source, seq LIMIT :most"
_SCANNED_ROWS_MAX: Final = 200  # rows a look-up reads: a prefix of six digits names few
_END: Final = "\x7f"  # above every letter of an id


class _LookupRow(NamedTuple):
    seq: int
    id: str
    source: str
    variant: bytes

    @property
    def name(self) -> str:
        return f"{self.source}:{event_ref(self.id, self.variant)}"


def seq_of(session: Session, ref: str) -> int:
    """The row of the event that `ref` names. Raises NotFound, which says what is near, or Ambiguous, which lists them."""
    ref = ref.strip()
    for source, named in readings_of(ref):
        for id, variant in _split(named):
            if rows := _of_id(session, id, source):
                return _one(rows, variant, ref)
    for source, named in readings_of(ref):
        id, tilde, variant = named.partition("~")
        if len(id) >= PREFIX_DIGITS_MIN and (rows := _by_prefix(session, id.lower(), source)):
            return _one(rows, variant if tilde else None, ref)
    raise _not_found(session, ref)


def readings_of(ref: str) -> list[tuple[str | None, str]]:
    """What a name can mean: an id of any source, or after a colon one of the source before it."""
    source, colon, rest = ref.partition(":")
    return [(None, ref), (source, rest)] if colon and source and rest else [(None, ref)]


def _split(named: str) -> list[tuple[str, str | None]]:
    """An id and a variant (None: none), the whole as an id first: an id taken over from outside has a `~` of its own."""
    id, tilde, variant = named.rpartition("~")
    return [(named, None), (id, variant)] if tilde and id else [(named, None)]


def _of_id(session: Session, id: str, source: str | None) -> list[_LookupRow]:
    """The contents of this id, also where its source's name was put behind it."""
    rows = _matching(session, "id = :id", source, id=id)
    return rows or _matching(session, "id > :low AND id < :high", source, low=f"{id}~", high=f"{id}~{_END}")


def _by_prefix(session: Session, prefix: str, source: str | None) -> list[_LookupRow]:
    return _matching(session, "id >= :low AND id < :high", source, low=prefix, high=prefix + _END)


def _matching(session: Session, condition: str, source: str | None, **values: str) -> list[_LookupRow]:
    if source is not None:
        condition, values = f"{condition} AND source = :source", {**values, "source": source}
    found = session.rows(_ROWS.format(condition), {**values, "most": _SCANNED_ROWS_MAX})
    return [_LookupRow(int(seq), id, of, bytes(variant)) for seq, id, of, variant in found]


def _one(rows: Sequence[_LookupRow], variant: str | None, ref: str) -> int:
    """The content that is meant, if the rows are of one event. Without a variant the first, or the oldest left."""
    events = list(dict.fromkeys((row.id, row.source) for row in rows))
    if len(events) > 1:
        alone = len({id for id, _ in events}) == len(events)  # else only the source tells them apart
        names = [id if alone else f"{source}:{id}" for id, source in events]
        raise Ambiguous(ref, names[:CANDIDATES_MAX], more=len(names) > CANDIDATES_MAX)
    if variant is None:
        return next((row for row in rows if not row.variant), rows[0]).seq
    fitting = [row for row in rows if row.variant and row.variant.hex().startswith(variant.lower())]
    if len(fitting) == 1 and variant:
        return fitting[0].seq
    if fitting and variant:
        raise Ambiguous(ref, [row.name for row in fitting])
    there = ", ".join(event_ref(row.id, row.variant) for row in rows)
    raise NotFound(f"there is no event {ref}, or not one alone; of that id there are: {there}")


def _not_found(session: Session, ref: str) -> NotFound:
    _, named = readings_of(ref)[-1]
    id = named.partition("~")[0]
    if session.rows("SELECT 1 FROM remembered WHERE id = :id LIMIT 1", {"id": named}) or session.rows(
        "SELECT 1 FROM remembered WHERE id = :id LIMIT 1", {"id": id}
    ):
        return NotFound(f"the event {ref} was here and is deleted; only its id is remembered")
    if len(id) < PREFIX_DIGITS_MIN:
        return NotFound(f"there is no event {ref}: give its id, or at least its first {PREFIX_DIGITS_MIN} digits")
    near = _by_prefix(session, id[:4].lower(), None)
    hint = f"; near it: {', '.join(list(dict.fromkeys(row.id for row in near))[:3])}" if near else ""
    return NotFound(f"there is no event {ref}{hint}; `gateway events list` shows those there are")


def row_of(session: Session, seq: int) -> EventRow:
    """The event of a row, as listed. Raises NotFound where it was deleted meanwhile."""
    rows = session.rows(f"{EVENT} WHERE e.seq = :seq", {"seq": seq})
    if not rows:
        raise NotFound("the event was deleted meanwhile")
    return event_row(rows[0])
