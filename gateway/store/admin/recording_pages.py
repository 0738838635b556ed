"""Reads recordings for people, newest first, and what their events say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.errors import NotFound
from gateway.model import shown_variant
from gateway.states import RecordingState
from gateway.store.admin.damage_bypass import NEWEST_KEY
from gateway.store.admin.pages import fits
from gateway.store.admin.search_budget import SearchBudget
from gateway.store.engine.encrypted_rows import EventKey, body_if_readable
from gateway.store.engine.session import Session, number_of
from gateway.store.outbox.recording_rows import RECORDING
from gateway.store.outbox.recording_state import Recording
from gateway.store.outbox.watches import overdue_types

EVENTS_SHOWN_MAX: Final = 200  # of one recording, the newest
_WINDOW_ROWS: Final = 2000
_SEARCH: Final = f"{RECORDING} WHERE {{state}}id < :before ORDER BY id DESC LIMIT :most"
_UNENDED: Final = " AND state <> 'ended'"  # the words of their index
_ONE: Final = f"{RECORDING} WHERE id = :id"
_EVENTS: Final = f"""SELECT e.seq, e.id, e.variant, e.type, e.received_at, e.superseded, e.body FROM events e
  WHERE e.seq IN (SELECT j.event FROM recording_events j WHERE j.recording = :recording ORDER BY j.event DESC
    LIMIT {EVENTS_SHOWN_MAX}) ORDER BY e.seq"""  # noqa: S608
_COUNT: Final = "SELECT count(*) FROM recording_events WHERE recording = :recording"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFilter:
    """Which recordings are meant; None: any. Texts are globs, any of them; `since` and `until` are when they began (ms)."""

    source: Sequence[str] | str | None = None
    stream: Sequence[str] | str | None = None
    domain: Sequence[str] | str | None = None
    app: Sequence[str] | str | None = None
    state: RecordingState | None = None
    missing: bool | None = None
    since: int | None = None
    until: int | None = None

    def keeps(self, recording: Recording) -> bool:
        """Whether it is meant."""
        return (
            fits(self.source, recording.source)
            and fits(self.stream, recording.stream)
            and fits(self.domain, recording.domain or "")
            and fits(self.app, recording.app or "")
            and (self.missing is None or bool(recording.missing or recording.overdue) is self.missing)
            and (self.since is None or recording.from_at >= self.since)
            and (self.until is None or recording.from_at < self.until)
        )


class RecordingEvent(NamedTuple):
    """An event of a recording; `body` is its JSON."""

    ref: str
    type: str
    received_at: int
    superseded: str | None
    body: str


class RecordingFull(NamedTuple):
    """A recording with its newest events, oldest first, and how many it has."""

    recording: Recording
    events: Sequence[RecordingEvent]
    total: int
    overdue: Sequence[str]


def page(
    session: Session, filter: RecordingFilter, *, limit: int, before: int | None, budget: SearchBudget | None = None
) -> Sequence[RecordingFull]:
    """The newest that are meant; `before` is the id of the last one seen."""
    at = NEWEST_KEY if before is None else before
    # the state is a word of ours and no value, so that no statement is made for each filter
    few = _UNENDED if filter.state != "ended" else ""
    statement = _SEARCH.format(state=f"state = '{filter.state}'{few} AND " if filter.state else "")
    meant: list[Recording] = []
    while len(meant) < limit:
        rows = [Recording(*row) for row in session.rows(statement, {"before": at, "most": _WINDOW_ROWS})]
        meant += [row for row in rows if filter.keeps(row)]
        if len(rows) < _WINDOW_ROWS:
            break
        at = _id(rows[-1])
        if budget is not None:
            budget.looked += len(rows)
            if len(meant) < limit and budget.over():
                budget.cut_at = at
                break
    return [_full(session, one) for one in meant[:limit]]


def recording_of(session: Session, id: int) -> RecordingFull:
    """One recording. Raises NotFound."""
    for row in session.rows(_ONE, {"id": id}):
        return _full(session, Recording(*row))
    raise NotFound(f"there is no recording {id}; it goes when the last of its events does")


def _full(session: Session, recording: Recording) -> RecordingFull:
    of = {"recording": _id(recording)}
    rows = session.rows(_EVENTS, of)
    events: list[RecordingEvent] = []
    for _, id_, variant, type_, at, superseded, body in rows:
        readable = body_if_readable(session, EventKey(recording.source, id_, bytes(variant)), body)
        if readable is not None:  # else it is counted, and nobody can say more of it
            ref = f"{id_}~{shown_variant(bytes(variant))}" if variant else id_
            events.append(RecordingEvent(ref, type_, at, superseded, readable))
    total = len(rows)
    if total == EVENTS_SHOWN_MAX:
        total = number_of(session.rows(_COUNT, of))
    return RecordingFull(recording, events, total, overdue_types(session, _id(recording)) if recording.overdue else ())


def _id(recording: Recording) -> int:
    assert recording.id is not None  # it was read
    return recording.id
