"""Reads the store for people, page by page and newest first: events, deliveries and refused callbacks.

Every statement looks at a bounded window of rows, so that a search through a large store holds no snapshot for long.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final

from gateway.model import shown_variant
from gateway.store.engine.session import Session
from gateway.store.records import EventRow, Held, Refusal, RefusedRow

MOST: Final = 200  # rows of a page
_WINDOW: Final = 5000  # rows of one statement of a search

_IDS: Final = {
    "sqlite": "IN (SELECT value FROM json_each(:ids))",
    "postgresql": "= ANY (CAST(:ids AS bigint[]))",
}
_SEARCH: Final = (
    "SELECT seq, source, type, subject, received_at FROM events WHERE {held}seq < :before ORDER BY seq DESC LIMIT :most"
)
_KINDS_MAX: Final = 26  # types by sources that one page is put together from; past it every row is looked at
LATE_MS: Final = 3_600_000  # an event may have a row so much later than its time; past it nothing newer follows
_NEXT_KIND: Final = """SELECT type, source FROM events WHERE (type, source) > (:type, :source)
  ORDER BY type, source LIMIT 1"""
_OF_KIND: Final = """SELECT * FROM (SELECT seq, source, type, subject, received_at FROM events
  WHERE {held}type = :type_{n} AND source = :source_{n} AND seq < :before ORDER BY seq DESC LIMIT :most) AS of_{n}"""
_STATES: Final = ("waiting", "sending", "delivered", "dead")
_COUNT: Final = "(SELECT count(*) FROM deliveries d WHERE d.event = e.seq AND d.state = '{state}')"
EVENT: Final = f"""SELECT e.seq, e.id, e.variant, e.source, e.type, e.subject, e.received_at, e.held,
  {", ".join(_COUNT.format(state=state) for state in _STATES)}, e.supersedes, e.superseded FROM events e"""  # noqa: S608
"""The columns of `event_row`."""
_REFUSED: Final = (
    """SELECT id, source, code, detail, received_at, method, path, headers, body, size, peer, verified FROM refused"""
)

NEWEST: Final = 2**62  # above every key


def among(session: Session, ids: Collection[int]) -> tuple[str, Any]:
    """The condition `one of these ids` and the value of `:ids`, in the database's own way."""
    return _IDS[session.backend], json.dumps(list(ids)) if session.backend == "sqlite" else list(ids)


def search(
    session: Session,
    statement: str,
    keep: Callable[[tuple[Any, ...]], bool],
    limit: int,
    before: int | None,
    *,
    over: Callable[[tuple[Any, ...]], bool] | None = None,
    **values: Any,
) -> list[int]:
    """The first keys, from `before` down, of the rows that `keep` wants. A statement gives the key first.

    `over`: no row from this one on is wanted.
    """
    found: list[int] = []
    at = NEWEST if before is None else before
    everything = keep is anything
    while len(found) < limit:
        most = limit if everything else _WINDOW
        rows = session.rows(statement, {**values, "before": at, "most": most})
        found += [row[0] for row in rows if keep(row)]
        if len(rows) < most or (over is not None and over(rows[-1])):
            break
        at = rows[-1][0]
    return found[:limit]


def of_stream(subject: str, stream: str) -> bool:
    """Whether `domain/app/stream` ends in a stream that fits this glob."""
    return fnmatchcase(subject, stream) or fnmatchcase(subject, f"*/{stream}")


def anything(_row: tuple[Any, ...]) -> bool:
    """Keeps every row."""
    return True


def _older(than: int, row: tuple[Any, ...]) -> bool:
    return bool(row[4] < than)


def _of_kinds(session: Session, held: str, source: str | None, type: str | None) -> tuple[str, dict[str, str]] | None:
    """The search as a merge of the types and sources that fit, each along its index; None: there are too many."""
    kinds: list[tuple[str, str]] = []
    at = ("", "")
    for _ in range(10 * _KINDS_MAX):
        rows = session.rows(_NEXT_KIND, {"type": at[0], "source": at[1]})
        if not rows:
            break
        at = rows[0][0], rows[0][1]
        if (type is None or fnmatchcase(at[0], type)) and (source is None or at[1] == source):
            kinds.append(at)
    else:
        return None
    if len(kinds) > _KINDS_MAX:
        return None
    letters = "abcdefghijklmnopqrstuvwxyz"
    parts = [_OF_KIND.format(held=held, n=letters[n]) for n in range(len(kinds))]
    values = {f"type_{letters[n]}": kind for n, (kind, _) in enumerate(kinds)}
    values |= {f"source_{letters[n]}": whose for n, (_, whose) in enumerate(kinds)}
    merged = " UNION ALL ".join(parts)
    return f"SELECT * FROM ({merged}) AS kinds ORDER BY seq DESC LIMIT :most" if parts else "", values  # noqa: S608


def events(
    session: Session,
    *,
    held: bool,
    source: str | None,
    type: str | None,
    subject: str | None,
    stream: str | None,
    since: int | None,
    limit: int,
    before: int | None,
) -> Sequence[EventRow]:
    """A page of events; `type`, `subject` and `stream` are globs, `since` is when they came (ms)."""

    def keep(row: tuple[Any, ...]) -> bool:
        return (
            (source is None or row[1] == source)
            and (type is None or fnmatchcase(row[2], type))
            and (subject is None or fnmatchcase(row[3], subject))
            and (stream is None or of_stream(row[3], stream))
            and (since is None or row[4] >= since)
        )

    filtered = any(one is not None for one in (source, type, subject, stream, since))
    kept = "held IS NOT NULL AND " if held else ""
    statement = _SEARCH.format(held=kept)
    values: dict[str, str] = {}
    if (type is not None or source is not None) and (merged := _of_kinds(session, kept, source, type)):
        statement, values = merged
        if not statement:
            return []
    over = None if since is None else partial(_older, since - LATE_MS)
    found = search(session, statement, keep if filtered else anything, min(limit, MOST), before, over=over, **values)
    condition, ids = among(session, found)
    rows = session.rows(f"{EVENT} WHERE e.seq {condition} ORDER BY e.seq DESC", {"ids": ids}) if found else ()
    return [event_row(row) for row in rows]


def event_row(row: tuple[Any, ...]) -> EventRow:
    """An event as listed, from the columns of `EVENT`."""
    counts = dict(zip(_STATES, row[8:12], strict=True))
    return EventRow(
        seq=row[0],
        ref=event_ref(row[1], row[2]),
        id=row[1],
        source=row[3],
        type=row[4],
        subject=row[5],
        received_at=row[6],
        held=None if row[7] is None else Held(row[7]),
        deliveries={state: count for state, count in counts.items() if count},
        supersedes=row[12],
        superseded=row[13],
    )


def event_ref(id: str, variant: bytes) -> str:
    """How a person names an event: its id, and after `~` the first 8 digits of what tells another content apart."""
    return f"{id}~{shown_variant(bytes(variant))}" if variant else id


def refused(session: Session, *, source: str | None, limit: int, before: int | None) -> Sequence[RefusedRow]:
    """A page of refused callbacks."""
    of = "source = :source AND " if source is not None else ""
    values = {"source": source, "before": NEWEST if before is None else before, "limit": min(limit, MOST)}
    if source is None:
        del values["source"]
    return [
        _refused_row(row)
        for row in session.rows(f"{_REFUSED} WHERE {of}id < :before ORDER BY id DESC LIMIT :limit", values)
    ]


def refusal(session: Session, id: int) -> RefusedRow | None:
    """One refused callback."""
    rows = session.rows(f"{_REFUSED} WHERE id = :id", {"id": id})
    return _refused_row(rows[0]) if rows else None


def _refused_row(row: tuple[Any, ...]) -> RefusedRow:
    id_, source, code, detail, received_at, method, path, headers, body, size, peer, verified = row
    return RefusedRow(
        id=id_,
        refusal=Refusal(
            source=source,
            code=code,
            detail=detail,
            received_at=received_at,
            method=method,
            path=path,
            headers=tuple((name, value) for name, value in json.loads(headers)),
            body=bytes(body),
            size=size,
            peer=peer,
            verified=bool(verified),
        ),
    )


def ranges(session: Session, table: str, key: str, step: int = 50_000) -> Iterator[tuple[int, int]]:
    """The keys of a table in pieces (after, up to), for counting it without one long statement."""
    ((least, most),) = session.rows(f"SELECT min({key}), max({key}) FROM {table}")  # noqa: S608  names of ours
    if most is None:
        return
    for after in range(least - 1, most, step):
        yield after, min(after + step, most)
