"""Reads the store for people, page by page and newest first: events, deliveries and refused callbacks.

Every statement looks at a bounded window of rows, so that a search through a large store holds no snapshot for long.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Final, NamedTuple, Protocol, Self, TypeVar

from gateway.model import Trust, shown_variant, stream_of
from gateway.states import DELIVERY_STATES, TRUST_NAMES, DeliveryState, HoldReason
from gateway.store.admin.damage_bypass import NEWEST_KEY, DamageBypass
from gateway.store.admin.search_budget import SearchBudget
from gateway.store.admin.shown_rows import EventRow, RefusedRow
from gateway.store.engine.cipher import is_encrypted
from gateway.store.engine.encrypted_rows import REFUSED_TEXTS, decrypt, decrypt_bytes, time_of
from gateway.store.engine.session import Columns, Session
from gateway.store.records import Held, Refusal

PAGE_ROWS_MAX: Final = 200  # rows of a page
_WINDOW_ROWS: Final = 5000  # rows of one statement of a search
_FIRST_WINDOW_ROWS: Final = (
    250  # of its first one, because what is asked for is mostly near; each next one is twice as wide
)
_WALK_WINDOW_ROWS: Final = 1000  # of a search whose time is bounded, which is looked at between two statements

_IDS: Final = {
    "sqlite": "IN (SELECT value FROM json_each(:ids))",
    "postgresql": "= ANY (CAST(:ids AS bigint[]))",
}
_COUNT: Final = "(SELECT count(*) FROM deliveries d WHERE d.event = e.seq AND d.state = '{state}')"
EVENT: Final = f"""SELECT e.seq, e.id, e.variant, e.source, e.type, e.subject, e.received_at, e.held,
  {", ".join(_COUNT.format(state=state) for state in DELIVERY_STATES)}, e.supersedes, e.superseded,
  e.trust, substr(e.body, 1, 3000) FROM events e"""  # noqa: S608
"""The columns of `event_row`."""
_REFUSED: Final = (
    """SELECT id, source, code, detail, received_at, method, path, headers, body, size, peer, verified FROM refused"""
)

_TRUSTS: Final = {trust.rank: name for name, trust in zip(TRUST_NAMES, Trust, strict=True)}


def among(session: Session, ids: Collection[int]) -> tuple[str, object]:
    """The condition `one of these ids` and the value of `:ids`, in the database's own way."""
    return _IDS[session.backend], json.dumps(list(ids)) if session.backend == "sqlite" else list(ids)


class KeyedRow(Protocol):
    """A row that a search looks at. `key` names it, and grows with time."""

    @property
    def key(self) -> int: ...


K = TypeVar("K", bound=KeyedRow)


def search(
    session: Session,
    statement: str,
    columns: Callable[[tuple[object, ...]], K],
    keep: Callable[[K], bool],
    limit: int,
    before: int | None,
    *,
    over: Callable[[K], bool] | None = None,
    budget: SearchBudget | None = None,
    round_damage_by: tuple[str, Callable[[K], bool]] | None = None,
    **values: object,
) -> list[int]:
    """The first keys, from `before` down, of the rows that `keep` wants. `columns` names what the statement gives.

    `over`: no row from this one on is wanted. `budget` ends it early where its time or its rows are up.
    `round_damage_by`: the statement, and what to keep of its rows, that go on once there was damage, where this one does
    not look along the keys alone: it would read a row far ahead, and fail for that one wherever it begins.
    """
    seqs: list[int] = []
    at = NEWEST_KEY if before is None else before
    widest = _WINDOW_ROWS if budget is None else min(_WALK_WINDOW_ROWS, _WINDOW_ROWS)
    window = min(max(_FIRST_WINDOW_ROWS, 2 * limit), widest)
    round_damage = DamageBypass(session, "deliveries" if "FROM deliveries" in statement else "events")
    while len(seqs) < limit and at > 1:  # keys begin with 1
        most = round_damage.narrowed(limit if keep is anything else window)
        try:
            rows = [*map(columns, round_damage.rows(statement, {**values, "before": at, "most": most}))]
        except Exception as error:
            at = round_damage.met(error, at, most)
            if round_damage_by is not None:
                statement, keep = round_damage_by
            continue
        if (nearer := round_damage.passed(at)) is not None:
            at = nearer
            continue
        if budget is not None:
            budget.looked += len(rows)
        seqs += [row.key for row in rows if keep(row)]
        if len(rows) < most or (over is not None and over(rows[-1])):
            break
        at = rows[-1].key
        window = min(2 * window, widest)
        if budget is not None and len(seqs) < limit and budget.over():
            budget.cut_at = at
            break
    return seqs[:limit]


def onwards(
    session: Session,
    statement: str,
    columns: Callable[[tuple[object, ...]], K],
    keep: Callable[[K], bool],
    *,
    after: int,
    upto: int,
    most: int,
    **values: object,
) -> tuple[list[int], int]:
    """The first keys above `after` and up to `upto` of rows that `keep` wants, of one window of rows; and the last key
    that was looked at, `upto` at the end."""
    # no more than there are keys, because the database would look at the row behind them, which may lie on a damaged page
    most_rows = min(_WINDOW_ROWS, upto - after)
    rows = [*map(columns, session.rows(statement, {**values, "after": after, "upto": upto, "most": most_rows}))]
    keys: list[int] = []
    for row in rows:
        if keep(row):
            keys.append(row.key)
            if len(keys) == most:
                return keys, row.key
    return keys, upto if len(rows) < _WINDOW_ROWS else rows[-1].key


def of_stream(subject: str, stream: str) -> bool:
    """Whether `domain/app/stream` ends in a stream that fits this glob. Domain and app do not count, because what was meant for
    streams would go for all of an app; a glob with a slash of its own may stand for more of the end."""
    slashed = "/" in stream and (fnmatchcase(subject, stream) or fnmatchcase(subject, f"*/{stream}"))
    return fnmatchcase(stream_of(subject), stream) or slashed


def values_of(said: Sequence[str] | str) -> Sequence[str]:
    """One text as a list of it."""
    return (said,) if isinstance(said, str) else said


def fits(globs: Sequence[str] | str | None, value: str) -> bool:
    """Whether a value is what is asked for: any of these globs; None: whatever it is."""
    return globs is None or any(fnmatchcase(value, glob) for glob in values_of(globs))


class RowFilter:
    """Which rows are meant: its dataclass says by which fields, and None is any."""

    __slots__: tuple[str, ...] = ()
    SAID_AS: ClassVar[Mapping[str, str]] = {}  # a field whose name in JSON is another

    def criteria(self) -> dict[str, object]:
        """What was asked for, for the audit log and for a job."""
        given = {name: getattr(self, name) for name in self.__slots__ if getattr(self, name) is not None}
        return {
            self.SAID_AS.get(name, name): list(value) if isinstance(value, tuple) else value
            for name, value in given.items()
        }

    @classmethod
    def of_criteria(cls, kept: Mapping[str, Any]) -> Self:
        """The filter of what `criteria` gave, as JSON has kept it."""
        names = {word: name for name, word in cls.SAID_AS.items()}
        return cls(
            **{
                names.get(word, word): tuple(value) if isinstance(value, list) else value
                for word, value in kept.items()
            }
        )


def anything(_row: KeyedRow) -> bool:
    """Keeps every row."""
    return True


class _ListedColumns(NamedTuple):
    """What `EVENT` gives."""

    seq: int
    id: str
    variant: bytes
    source: str
    type: str
    subject: str
    received_at: int
    held: HoldReason | None
    waiting: int
    sending: int
    delivered: int
    dead: int
    supersedes: str | None
    superseded: str | None
    trust: int
    beginning: str  # of its document


def event_row(columns: Columns) -> EventRow:
    """An event as listed, from the columns of `EVENT`."""
    row = _ListedColumns._make(columns)
    counts: Mapping[DeliveryState, int] = {
        "waiting": row.waiting,
        "sending": row.sending,
        "delivered": row.delivered,
        "dead": row.dead,
    }
    return EventRow(
        seq=row.seq,
        ref=event_ref(row.id, row.variant),
        id=row.id,
        source=row.source,
        type=row.type,
        subject=row.subject,
        received_at=row.received_at,
        held=None if row.held is None else Held(row.held),
        deliveries={state: count for state, count in counts.items() if count},
        supersedes=row.supersedes,
        superseded=row.superseded,
        trust=_TRUSTS[row.trust],
        time=time_of(row.beginning),
    )


def event_ref(id: str, variant: bytes) -> str:
    """How a person names an event: its id, and after `~` the first 8 digits of what tells another content apart."""
    return f"{id}~{shown_variant(bytes(variant))}" if variant else id


def refused(session: Session, *, source: str | None, limit: int, before: int | None) -> Sequence[RefusedRow]:
    """A page of refused callbacks."""
    of = "source = :source AND " if source is not None else ""
    values = {"source": source, "before": NEWEST_KEY if before is None else before, "limit": min(limit, PAGE_ROWS_MAX)}
    if source is None:
        del values["source"]
    return [
        _refused_row(session, row)
        for row in session.rows(f"{_REFUSED} WHERE {of}id < :before ORDER BY id DESC LIMIT :limit", values)
    ]


def refusal(session: Session, id: int) -> RefusedRow | None:
    """One refused callback."""
    rows = session.rows(f"{_REFUSED} WHERE id = :id", {"id": id})
    return next((_refused_row(session, row) for row in rows), None)


def _refused_row(session: Session, row: Columns) -> RefusedRow:
    id_, source, code, detail, received_at, method, path, headers, body, size, peer, verified = row
    if is_encrypted(headers):
        detail, path, headers = (
            decrypt(session, f"refused.{name}", (id_,), text)
            for name, text in zip(REFUSED_TEXTS, (detail, path, headers), strict=True)
        )
        body = decrypt_bytes(session, "refused.body", (id_,), bytes(body))
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
    # one each, because SQLite looks at every row for both at once
    ((least, most),) = session.rows(f"SELECT (SELECT min({key}) FROM {table}), (SELECT max({key}) FROM {table})")  # noqa: S608  names of ours
    if most is None:
        return
    for after in range(least - 1, most, step):
        yield after, min(after + step, most)
