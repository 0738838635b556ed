"""Joins events into recordings: behind the accepts, along a durable cursor, each event once.

Not in the transaction that accepts them, because nobody waits for it and a callback should not. On PostgreSQL a number may
be committed after a higher one: the gaps that the cursor passed are looked at again for `GAP_MS`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from gateway.store.engine.batch import Bulk
from gateway.store.engine.cipher import is_encrypted
from gateway.store.engine.encrypted_rows import EventKey, body_if_readable
from gateway.store.engine.session import Session, number_of, value_of
from gateway.store.outbox.recording_state import EventColumns, Recording, Sign, belongs_to, sign_of
from gateway.store.outbox.watches import WatchRule, overdue_types, see

STEP_ROWS_MAX: Final = 200  # events of one transaction
GAP_MS: Final = 10 * 60_000  # far past the longest transaction
GAPS_MAX: Final = 200  # spans; past it the two oldest become one
RECENT_MAX: Final = 50  # recordings of one stream among which an event finds its own

COLUMNS: Final = "seq, source, type, subject, received_at, body, id, variant, cause, held"
_MARK: Final = "SELECT value FROM meta WHERE name = 'recordings'"
_PUT_MARK: Final = """INSERT INTO meta (name, value) VALUES ('recordings', :mark)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
_NEW: Final = f"""SELECT {COLUMNS} FROM events WHERE seq > :after ORDER BY seq LIMIT :most"""  # noqa: S608
_BETWEEN: Final = f"""SELECT {COLUMNS} FROM events WHERE seq > :after AND seq < :before
  ORDER BY seq LIMIT :most"""  # noqa: S608
_ONE: Final = f"SELECT {COLUMNS} FROM events WHERE seq = :seq AND held IS NULL"  # noqa: S608
_LAST: Final = "SELECT max(seq) FROM events"
_JOINED: Final = "SELECT recording FROM recording_events WHERE event = :event"
_FIELDS: Final = (
    *("source", "subject", "domain", "app", "stream", "from_at", "to_at", "task", "pushed_at", "unpushed_at"),
    *("started_at", "ended_at", "failed_at", "begun", "completed", "overdue"),
)
RECORDING: Final = f"SELECT id, {', '.join(_FIELDS)} FROM recording_sessions"  # noqa: S608
_OF_STREAM: Final = f"""{RECORDING} WHERE source = :source AND subject = :subject
  ORDER BY from_at DESC LIMIT {RECENT_MAX}"""
_AROUND: Final = f"""{RECORDING} WHERE source = :source AND subject = :subject AND from_at <= :at
  ORDER BY from_at DESC LIMIT 2"""
_WITH_ID: Final = f"""{RECORDING} WHERE id IN (SELECT j.recording FROM events e JOIN recording_events j ON j.event = e.seq
  WHERE e.id = :id AND e.source = :source) LIMIT 1"""  # noqa: S608
_OF_JOB: Final = f"""{RECORDING} WHERE source = :source AND subject = :subject
  AND id IN (SELECT j.recording FROM recording_events j WHERE j.job = :job AND j.job IS NOT NULL) LIMIT 1"""  # noqa: S608
_INSERT: Final = f"""INSERT INTO recording_sessions (state, {", ".join(_FIELDS)})
  VALUES (:state, {", ".join(f":{name}" for name in _FIELDS)}) RETURNING id"""  # noqa: S608
_UPDATE: Final = f"""UPDATE recording_sessions SET state = :state, {", ".join(f"{name} = :{name}" for name in _FIELDS)}
  WHERE id = :id"""  # noqa: S608
_JOIN: Final = "INSERT INTO recording_events (event, recording, job) VALUES (:event, :recording, :job)"
_JOINED_BETWEEN: Final = "SELECT event FROM recording_events WHERE event > :after AND event <= :upto"
_EVENTS: Final = f"""SELECT {COLUMNS} FROM events WHERE seq IN
  (SELECT j.event FROM recording_events j WHERE j.recording = :recording) ORDER BY seq"""  # noqa: S608
_TOUCHED: Final = """SELECT DISTINCT recording FROM recording_events WHERE event > :after AND event <= :upto"""
_EMPTY: Final = """DELETE FROM recording_sessions WHERE id = :id
  AND NOT EXISTS (SELECT 1 FROM recording_events j WHERE j.recording = :id)"""


class Followed(NamedTuple):
    """One step: how many events were looked at, which recordings changed, and how long it took the writer."""

    looked: int
    changed: Sequence[int]
    seconds: float = 0.0


def behind(session: Session) -> bool:
    """Whether there are events that nobody has joined yet; along the key, and without a lock."""
    mark = json.loads(value_of(session.rows(_MARK)) or "{}")
    last = value_of(session.rows(_LAST)) or 0
    return bool(last > mark.get("at", 0) or mark.get("gaps"))


def lock(session: Session) -> None:
    """Nobody else changes recordings until the end of this transaction. Taken before the locks of ordering keys, and before
    rows of events are deleted, because whoever joins an event holds this first."""
    session.lock({"recordings"})


def follow(session: Bulk, most: int = STEP_ROWS_MAX, rules: Sequence[WatchRule] = ()) -> Followed:
    """Join the next events. One gateway at a time; a step that is not committed is done again whole."""
    began = time.monotonic()
    with session.atomic():
        lock(session)
        mark = {"at": 0, "gaps": []} | json.loads(value_of(session.rows(_MARK)) or "{}")
        now = number_of(session.rows("SELECT CAST(:now AS bigint)"))
        rows = _events(session, _NEW, {"after": mark["at"], "most": most})
        late = [] if session.one_transaction else _late(session, mark["gaps"], most)
        changed = _join_all(session, [row for row in (*late, *rows) if row.held is None], rules)
        gaps = [gap for gap in mark["gaps"] if 0 <= now - gap[2] < GAP_MS]
        if not session.one_transaction:
            seqs = [mark["at"], *(row.seq for row in rows)]
            gaps += [[one, other, now] for one, other in pairwise(seqs) if other - one > 1]
        following = {"at": rows[-1].seq if rows else mark["at"], "gaps": _bounded(gaps)}
        if following != mark:
            session.change(_PUT_MARK, {"mark": json.dumps(following)})
    return Followed(len(rows), changed, time.monotonic() - began)


def _events(session: Session, statement: str, values: Mapping[str, Any]) -> list[EventColumns]:
    return [_opened(session, EventColumns(*row)) for row in session.rows(statement, values)]


def _opened(session: Session, row: EventColumns) -> EventColumns:
    """What cannot be opened is joined to nothing, as what cannot be read."""
    if not is_encrypted(row.body):
        return row
    return row._replace(
        body=body_if_readable(session, EventKey(row.source, row.id, bytes(row.variant)), row.body) or ""
    )


def _late(session: Bulk, gaps: Sequence[Sequence[int]], most: int) -> list[EventColumns]:
    """Events that were committed behind the cursor."""
    rows = [
        row
        for after, before, _ in gaps
        for row in _events(session, _BETWEEN, {"after": after, "before": before, "most": most})
    ]
    return [row for row in rows if not session.rows(_JOINED, {"event": row.seq})]


def _bounded(gaps: list[list[int]]) -> list[list[int]]:
    """Few spans: the nearest become one, as long as the younger of them. What was joined in it is not joined again."""
    while len(gaps) > GAPS_MAX:
        (after, _, one), (_, before, other) = gaps[0], gaps[1]
        gaps[:2] = [[after, before, max(one, other)]]
    return gaps


def join(session: Bulk, seq: int) -> None:
    """Join one event now: it was held, so the cursor passed it by. Inside a transaction that has the lock."""
    _join_all(session, _events(session, _ONE, {"seq": seq}))


def _join_all(session: Bulk, rows: Sequence[EventColumns], rules: Sequence[WatchRule] = ()) -> list[int]:
    if not rows:
        return []
    span = {"after": min(row.seq for row in rows) - 1, "upto": max(row.seq for row in rows)}
    joined = {event for (event,) in session.rows(_JOINED_BETWEEN, span)}
    joining = _Joining(session)
    for row in rows:
        sign = sign_of(row) if row.seq not in joined else None
        if sign is not None:
            joining.add(sign, row.id)
    return joining.write(rules)


class _Joining:
    """The recordings of one step: each is read once and written once, however many events it gets."""

    def __init__(self, session: Bulk) -> None:
        self._session = session
        self._streams: dict[tuple[str, str], list[Recording]] = {}
        self._by_row: dict[int, Recording] = {}
        self._by_name: dict[tuple[str, str, str], Recording] = {}  # kind, source, id or job
        self._signs: list[tuple[Sign, Recording, Mapping[str, int]]] = []

    def add(self, sign: Sign, id: str) -> None:
        """Take in an event of this id."""
        of_stream = self._of_stream(sign)
        recording = self._named(sign) or belongs_to(sign, of_stream)
        if recording is None:
            recording = Recording.of(sign)
            self._streams[sign.source, sign.subject].append(recording)
        recording.add(sign)
        self._signs.append((sign, recording, recording.counts))
        self._by_name["id", sign.source, id] = recording
        if sign.data.job_id is not None:
            self._by_name["job", sign.source + " " + sign.subject, sign.data.job_id] = recording

    def write(self, rules: Sequence[WatchRule]) -> list[int]:
        """Write what changed; which recordings those are."""
        changed = {id(recording): recording for _, recording, _ in self._signs}
        for recording in changed.values():
            recording.id = _put(self._session, recording)
        for sign, recording, counts in self._signs:
            values = {"event": sign.event, "recording": recording.id, "job": sign.data.job_id}
            self._session.change(_JOIN, values)
            assert recording.id is not None  # it was written
            see(self._session, rules, sign, recording.id, counts)
        return [recording.id for recording in changed.values() if recording.id is not None]

    def _of_stream(self, sign: Sign) -> list[Recording]:
        of = {"source": sign.source, "subject": sign.subject}
        known = self._streams.get((sign.source, sign.subject))
        if known is None:
            known = [self._once(row) for row in self._session.rows(_OF_STREAM, of)]
            self._streams[sign.source, sign.subject] = known
        if len(known) >= RECENT_MAX and sign.at < min(one.from_at for one in known):
            return [*known, *(self._once(row) for row in self._session.rows(_AROUND, {**of, "at": sign.at}))]
        return known

    def _named(self, sign: Sign) -> Recording | None:
        """By the ids and the job that it names, where it names any."""
        for id_ in sign.with_ids:
            recording = self._by_name.get(("id", sign.source, id_))
            if recording is not None:
                return recording
            for row in self._session.rows(_WITH_ID, {"source": sign.source, "id": id_}):
                return self._once(row)
        job = sign.data.job_id
        if job is None:
            return None
        recording = self._by_name.get(("job", sign.source + " " + sign.subject, job))
        if recording is None and any(one.id is not None for one in self._streams[sign.source, sign.subject]):
            for row in self._session.rows(_OF_JOB, {"source": sign.source, "subject": sign.subject, "job": job}):
                return self._once(row)
        return recording

    def _once(self, row: tuple[Any, ...]) -> Recording:
        """The recording of a row, the same one however often it is read."""
        recording = Recording(*row)
        return self._by_row.setdefault(recording.id or 0, recording)


def _put(session: Bulk, recording: Recording) -> int:
    values: dict[str, Any] = {name: getattr(recording, name) for name in _FIELDS}
    values["state"] = recording.state
    if recording.id is None:
        return number_of(session.rows(_INSERT, values))
    session.change(_UPDATE, {**values, "id": recording.id})
    return recording.id


def overdue_by(session: Bulk, recording: int, more: int) -> None:
    """So many more of what it waits for are overdue; fewer below 0. With the lock."""
    for row in session.rows(f"{RECORDING} WHERE id = :id", {"id": recording}):
        one = Recording(*row)
        one.overdue = max(one.overdue + more, 0)
        _put(session, one)


def put_in(session: Bulk, seq: int, recording: int) -> None:
    """An event that was made of a recording belongs to it. With the lock."""
    if not session.rows(_JOINED, {"event": seq}):
        session.change(_JOIN, {"event": seq, "recording": recording, "job": None})


# -- events that go


def touched(session: Session, after: int, upto: int) -> Sequence[int]:
    """The recordings of the events of a span."""
    return [id_ for (id_,) in session.rows(_TOUCHED, {"after": after, "upto": upto})]


def of_event(session: Session, seq: int) -> int | None:
    """The recording an event belongs to."""
    found: int | None = value_of(session.rows(_JOINED, {"event": seq}))
    return found


def forget(session: Session, recordings: Collection[int]) -> None:
    """Delete those of these recordings whose events are all gone. Inside the transaction that deleted events."""
    for id_ in recordings:
        session.change(_EMPTY, {"id": id_})


def rebuild(session: Bulk, recordings: Collection[int]) -> None:
    """Let these say no more than their events do that are left: others were erased."""
    for id_ in sorted(recordings):
        signs = [sign for row in _events(session, _EVENTS, {"recording": id_}) if (sign := sign_of(row)) is not None]
        if not signs:
            session.change("DELETE FROM recording_sessions WHERE id = :id", {"id": id_})
            continue
        recording = Recording.of(signs[0])
        recording.id = id_
        recording.overdue = len(overdue_types(session, id_))
        for sign in signs:
            recording.add(sign)
        _put(session, recording)
