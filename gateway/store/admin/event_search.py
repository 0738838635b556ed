"""Searches events by what people know of them, newest first, window by window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Final, Literal, NamedTuple

from gateway.model import ALARM_PREFIX, Trust, stream_of
from gateway.states import DELIVERY_STATES, HOLD_REASONS, DeliveryState, HoldReason
from gateway.store.admin.damage_bypass import readable
from gateway.store.admin.file_search import candidate_column, has_file, part_of
from gateway.store.admin.pages import (
    EVENT,
    PAGE_ROWS_MAX,
    RowFilter,
    among,
    anything,
    event_row,
    fits,
    of_stream,
    onwards,
    search,
    values_of,
)
from gateway.store.admin.partial_indexes import indexed_events
from gateway.store.admin.search_budget import SearchBudget
from gateway.store.admin.shown_rows import EventRow
from gateway.store.engine.session import Columns, Session, Trouble

LATE_MS: Final = 3_600_000  # an event may have a row so much later than its time; past it nothing newer follows
_COLUMNS: Final = "seq, source, type, subject, received_at, trust, id"
_STATE: Final = """, (SELECT count(*) FROM deliveries d WHERE d.event = events.seq AND {of} LIMIT 1)"""
_SEARCH: Final = """SELECT {columns} FROM events WHERE {held}seq <= :before - 1 ORDER BY seq DESC LIMIT :most"""
_FORWARD: Final = (
    """SELECT {columns} FROM events WHERE {held}seq >= :after + 1 AND seq <= :upto ORDER BY seq LIMIT :most"""
)
_KINDS_MAX: Final = 26  # types by sources that one page is put together from; past it every row is looked at
# Not `(type, source) > (…)`: SQLite then seeks the type alone and looks at every row of it.
_NEXT_KIND: Final = """SELECT type, source FROM (
    SELECT * FROM (SELECT type, source FROM events WHERE type = :type AND source > :source ORDER BY source LIMIT 1) AS a
    UNION ALL
    SELECT * FROM (SELECT type, source FROM events WHERE type > :type ORDER BY type, source LIMIT 1) AS b
  ) AS next ORDER BY type, source LIMIT 1"""
_OF_KIND: Final = """SELECT * FROM (SELECT {columns} FROM events
  WHERE {held}type = :type_{n} AND source = :source_{n} AND seq <= :before - 1 ORDER BY seq DESC LIMIT :most) AS of_{n}"""
_UNION: Final = " UNION ALL "
_STATES: Final[Mapping[DeliveryState | Literal["unrouted"], str]] = {
    "unrouted": "true",
    **{state: f"d.state = '{state}'" for state in DELIVERY_STATES},
}


class EventKeys(NamedTuple):
    """What a search looks at: `_COLUMNS`, and where a state is asked for how many of its deliveries are so (0 or 1), where a file is whether it may be."""

    key: int
    source: str
    type: str
    subject: str
    received_at: int
    trust: int
    id: str
    in_state: int | None = None
    may_have_file: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter(RowFilter):
    """Which events are meant; None: any. Texts are a glob each, several of them: any of these. `since` and `until` are
    when they came (ms), `state` is what any of their deliveries is, or `unrouted`, `q` the beginning of an id or a stream,
    `file` a part of a file's name or address, which is looked for in the text of the event."""

    held: bool | HoldReason | None = None  # True: whatever it is held for; False: not held; or conflict, quarantined
    source: Sequence[str] | str | None = None
    type: Sequence[str] | str | None = None
    subject: str | None = None
    stream: Sequence[str] | str | None = None
    domain: Sequence[str] | str | None = None
    app: Sequence[str] | str | None = None
    trust: Sequence[str] | str | None = None
    state: DeliveryState | Literal["unrouted"] | None = None
    since: int | None = None
    until: int | None = None
    q: str | None = None
    file: str | None = None
    after: int | None = None  # only rows above this `seq`, so that whoever follows reads only what is new

    @property
    def plain(self) -> bool:
        """Whether every event, or every held one, is meant."""
        return not set(self.criteria()) - {"held", "after"}

    def keeps(self, row: EventKeys) -> bool:
        """Whether a row of a search is meant."""
        subject = row.subject
        if row.type.startswith(ALARM_PREFIX) and not (self.stream is self.domain is self.app is None):
            return False  # it is about a source or a sink, whose name is no stream's
        domain, _, rest = subject.partition("/")
        return (
            fits(self.source, row.source)
            and fits(self.type, row.type)
            and (self.subject is None or fnmatchcase(subject, self.subject))
            and (self.stream is None or any(of_stream(subject, glob) for glob in values_of(self.stream)))
            and fits(self.domain, domain)
            and fits(self.app, rest.partition("/")[0])
            and (self.trust is None or row.trust in {Trust(name).rank for name in values_of(self.trust)})
            and (self.since is None or row.received_at >= self.since)
            and (self.until is None or row.received_at < self.until)
            and (self.q is None or row.id.startswith(self.q.lower()) or stream_of(subject).startswith(self.q))
            and (row.in_state is None or bool(row.in_state) is (self.state != "unrouted"))
        )


def _older(than: int, row: EventKeys) -> bool:
    return row.received_at < than


def search_events(
    session: Session, filter: EventFilter, *, limit: int, before: int | None, budget: SearchBudget | None = None
) -> Sequence[EventRow]:
    """A page of events."""
    wanted_seqs = ids(session, filter, limit=min(limit, PAGE_ROWS_MAX), before=before, budget=budget)

    def ask(seqs: Sequence[int]) -> Sequence[Columns]:
        condition, those = among(session, seqs)
        return session.rows(f"{EVENT} WHERE e.seq {condition} ORDER BY e.seq DESC", {"ids": those}) if seqs else ()

    return [event_row(row) for row in readable(session, wanted_seqs, ask)]


def ids(
    session: Session, filter: EventFilter, *, limit: int, before: int | None, budget: SearchBudget | None = None
) -> list[int]:
    """The `seq` of the events that are meant, newest first."""
    columns, asked, meant = _wanted(session, filter)
    held = _held(filter.held)
    newer = "" if filter.after is None else "seq > :after AND "
    few = indexed_events(session, filter.state)
    plainly = _SEARCH.format(held=held + newer, columns=columns)
    statement = _SEARCH.format(held=held + few + newer, columns=columns) if few else plainly
    values: Mapping[str, object] = {} if filter.after is None else {"after": filter.after}
    # of what is new each row is looked at, because that is less than asking which kinds there are
    by_kind = filter.after is None and not few and (filter.type is not None or filter.source is not None)
    if by_kind and (merged := _of_kinds(session, columns, held, filter)):
        statement, values = merged
        if not statement:
            return []
    exact = filter.plain or (by_kind and bool(values) and not set(filter.criteria()) - {"held", "type", "source"})
    keep: Callable[[EventKeys], bool] = anything if exact else meant  # a merge of kinds gives no other
    over = None if filter.since is None else partial(_older, filter.since - LATE_MS)
    by = (plainly, meant) if few or _UNION in statement else None
    return search(
        session, statement, _keys, keep, limit, before, over=over, budget=budget, round_damage_by=by, **asked, **values
    )


def forward(
    session: Session, filter: EventFilter, *, after: int, upto: int, most: int
) -> tuple[list[tuple[int, str]], int]:
    """The next events that are meant, oldest first, as seq and name; and the last row that was looked at."""
    columns, asked, keep = _wanted(session, filter)
    statement = _FORWARD.format(columns=columns, held=_held(filter.held))
    found, at = onwards(session, statement, _keys, keep, after=after, upto=upto, most=most, **asked)
    condition, ids = among(session, found)
    rows = session.rows(f"{EVENT} WHERE e.seq {condition} ORDER BY e.seq", {"ids": ids}) if found else ()
    return [(row.seq, row.name) for row in map(event_row, rows)], at


def _wanted(session: Session, filter: EventFilter) -> tuple[str, Mapping[str, object], Callable[[EventKeys], bool]]:
    """The columns to ask for, the values that they need, and which rows are meant."""
    of_state = "" if filter.state is None else _STATE.format(of=_STATES[filter.state])
    if (file := filter.file) is None:
        return _COLUMNS + of_state, {}, filter.keeps
    columns = _COLUMNS + (of_state or ", CAST(NULL AS INTEGER)") + candidate_column(session)

    def keep(row: EventKeys) -> bool:
        return bool(row.may_have_file) and filter.keeps(row) and has_file(session, row.key, file)

    return columns, {"file_part": part_of(file)}, keep


def _keys(columns: Columns) -> EventKeys:
    return EventKeys(*columns)


def _held(held: bool | HoldReason | None) -> str:
    if isinstance(held, bool):
        return f"held IS {'NOT ' if held else ''}NULL AND "
    return f"held = '{held}' AND " if held in HOLD_REASONS else ""


def _of_kinds(
    session: Session, columns: str, held_condition: str, filter: EventFilter
) -> tuple[str, dict[str, str]] | None:
    """The search as a merge of the types and sources that fit, each along its index; None: there are too many."""
    kinds: list[tuple[str, str]] = []
    type_ = source = ""
    for _ in range(10 * _KINDS_MAX):
        try:
            rows = session.rows(_NEXT_KIND, {"type": type_, "source": source})
        except Exception as error:
            if session.trouble(error) is not Trouble.DAMAGED:
                raise
            return None  # along the key there is a way round it
        if not rows:
            break
        ((type_, source),) = rows
        if fits(filter.type, type_) and fits(filter.source, source):
            kinds.append((type_, source))
    else:
        return None
    if len(kinds) > _KINDS_MAX:
        return None
    letters = "abcdefghijklmnopqrstuvwxyz"
    parts = [_OF_KIND.format(columns=columns, held=held_condition, n=letters[n]) for n in range(len(kinds))]
    values = {f"type_{letters[n]}": kind for n, (kind, _) in enumerate(kinds)}
    values |= {f"source_{letters[n]}": whose for n, (_, whose) in enumerate(kinds)}
    merged = _UNION.join(parts)
    return f"SELECT * FROM ({merged}) AS kinds ORDER BY seq DESC LIMIT :most" if parts else "", values  # noqa: S608
