"""Joins events into recordings: behind the accepts, along a durable cursor, each event once.

Not in the transaction that accepts them, because nobody waits for it and a callback should not. On PostgreSQL a number may
be committed after a higher one: the gaps that the cursor passed are looked at again for `GAP_MS`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from gateway.store.engine.cipher import is_encrypted
from gateway.store.engine.encrypted_rows import EventKey, body_if_readable
from gateway.store.engine.session import Session, number_of, value_of
from gateway.store.outbox import recording_rows
from gateway.store.outbox.recording_rows import RECENT_MAX, RECORDING, Joined
from gateway.store.outbox.recording_state import EventColumns, Recording, Sign, belongs_to, sign_of
from gateway.store.outbox.watches import WatchRule, overdue_types, see

GAP_MS: Final = 10 * 60_000  # far past the longest transaction
GAPS_MAX: Final = 200  # spans; past it the two oldest become one

COLUMNS: Final = "seq, source, type, subject, received_at, body, id, variant, cause, held"
_MARK: Final = "SELECT value FROM meta WHERE name = 'recordings'"
_PUT_MARK: Final = """INSERT INTO meta (name, value) VALUES ('recordings', :mark)
  ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
_NEW: Final = f"""SELECT {COLUMNS} FROM events WHERE seq > :after ORDER BY seq LIMIT :most"""  # noqa: S608
_LATE: Final = f"""SELECT e.* FROM json_to_recordset(CAST(:gaps AS json)) AS v (after bigint, before bigint)
  CROSS JOIN LATERAL (SELECT {COLUMNS} FROM events WHERE seq > v.after AND seq < v.before ORDER BY seq LIMIT :most) AS e
  WHERE NOT EXISTS (SELECT 1 FROM recording_events j WHERE j.event = e.seq)"""  # noqa: S608  of PostgreSQL alone
_ONE: Final = f"SELECT {COLUMNS} FROM events WHERE seq = :seq AND held IS NULL"  # noqa: S608
_LAST: Final = "SELECT max(seq) FROM events"
_NEXT_AT: Final = "SELECT received_at FROM events WHERE seq > :after ORDER BY seq LIMIT 1"
_JOINED: Final = "SELECT recording FROM recording_events WHERE event = :event"
_AROUND: Final = f"""{RECORDING} WHERE source = :source AND subject = :subject AND from_at <= :at
  ORDER BY from_at DESC LIMIT 2"""
_JOINED_BETWEEN: Final = "SELECT event FROM recording_events WHERE event > :after AND event <= :upto"
_EVENTS: Final = f"""SELECT {COLUMNS} FROM events WHERE seq IN
  (SELECT j.event FROM recording_events j WHERE j.recording = :recording) ORDER BY seq"""  # noqa: S608
_TOUCHED: Final = """SELECT DISTINCT recording FROM recording_events WHERE event > :after AND event <= :upto"""


class Gap(NamedTuple):
    """Numbers of events that were not there yet when the cursor went past them: after one, before another, seen then (ms)."""

    after: int
    before: int
    seen_at: int


class Followed(NamedTuple):
    """One step: how many events were looked at, which recordings changed, whether more events may wait, and how long it took
    the writer."""

    looked: int
    changed: Sequence[int]
    more: bool = False
    seconds: float = 0.0


def behind(session: Session) -> bool:
    """Whether there are events that nobody has joined yet; along the key, and without a lock."""
    mark = json.loads(value_of(session.rows(_MARK)) or "{}")
    last = value_of(session.rows(_LAST)) or 0
    return bool(last > mark.get("at", 0) or mark.get("gaps"))


def joined_until(session: Session) -> int | None:
    """When the first event came that nobody has joined yet (ms): all that came before is joined. None: every event is."""
    mark = json.loads(value_of(session.rows(_MARK)) or "{}")
    at: int | None = value_of(session.rows(_NEXT_AT, {"after": mark.get("at", 0)}))
    return at


def lock(session: Session) -> None:
    """Nobody else changes recordings until the end of this transaction. Taken before the locks of ordering keys, and before
    rows of events are deleted, because whoever joins an event holds this first."""
    session.lock({"recordings"})


def follow(session: Session, most: int, rules: Sequence[WatchRule] = ()) -> Followed:
    """Join the next events, `most` of them. One gateway at a time; a step that is not committed is done again whole."""
    began = time.monotonic()
    with session.atomic():
        lock(session)
        mark = {"at": 0, "gaps": []} | json.loads(value_of(session.rows(_MARK)) or "{}")
        now = number_of(session.rows("SELECT CAST(:now AS bigint)"))
        rows = _events(session, _NEW, {"after": mark["at"], "most": most})
        gaps = [Gap(*gap) for gap in mark["gaps"]]
        late = [] if session.backend == "sqlite" else _late(session, gaps, most)
        changed = _join_all(session, [row for row in (*late, *rows) if row.held is None], rules)
        gaps = [gap for gap in gaps if 0 <= now - gap.seen_at < GAP_MS]
        if session.backend != "sqlite":
            seqs = [mark["at"], *(row.seq for row in rows)]
            gaps += [Gap(one, other, now) for one, other in pairwise(seqs) if other - one > 1]
        following = {"at": rows[-1].seq if rows else mark["at"], "gaps": [list(gap) for gap in _bounded(gaps)]}
        if following != mark:
            session.change(_PUT_MARK, {"mark": json.dumps(following)})
    return Followed(len(rows), changed, len(rows) == most, time.monotonic() - began)


def _events(session: Session, statement: str, values: Mapping[str, object]) -> list[EventColumns]:
    return [_opened(session, EventColumns(*row)) for row in session.rows(statement, values)]


def _opened(session: Session, row: EventColumns) -> EventColumns:
    """What cannot be opened is joined to nothing, as what cannot be read."""
    if not is_encrypted(row.body):
        return row
    return row._replace(
        body=body_if_readable(session, EventKey(row.source, row.id, bytes(row.variant)), row.body) or ""
    )


def _late(session: Session, gaps: Sequence[Gap], most: int) -> list[EventColumns]:
    """Events that were committed behind the cursor."""
    spans = [{"after": gap.after, "before": gap.before} for gap in gaps]
    return _events(session, _LATE, {"gaps": json.dumps(spans), "most": most}) if spans else []


def _bounded(gaps: list[Gap]) -> list[Gap]:
    """Few spans: the nearest become one, as long as the younger of them. What was joined in it is not joined again."""
    while len(gaps) > GAPS_MAX:
        one, other = gaps[:2]
        gaps[:2] = [Gap(one.after, other.before, max(one.seen_at, other.seen_at))]
    return gaps


def join(session: Session, seq: int) -> None:
    """Join one event now: it was held, so the cursor passed it by. Inside a transaction that has the lock."""
    _join_all(session, _events(session, _ONE, {"seq": seq}))


def _join_all(session: Session, rows: Sequence[EventColumns], rules: Sequence[WatchRule] = ()) -> list[int]:
    if not rows:
        return []
    span = {"after": min(row.seq for row in rows) - 1, "upto": max(row.seq for row in rows)}
    joined = {event for (event,) in session.rows(_JOINED_BETWEEN, span)}
    signs = [(sign, row.id) for row in rows if row.seq not in joined and (sign := sign_of(row)) is not None]
    joining = _Joining(session, [sign for sign, _ in signs])
    for sign, id_ in signs:
        joining.add(sign, id_)
    return joining.write(rules)


class _Joining:
    """The recordings of one step: all are read at once and written at once, however many events there are."""

    def __init__(self, session: Session, signs: Sequence[Sign]) -> None:
        self._session = session
        self._by_row: dict[int, Recording] = {}
        found = recording_rows.of_streams(session, {(sign.source, sign.subject) for sign in signs})
        self._streams = {stream: [self._once(one) for one in recordings] for stream, recordings in found.items()}
        of_ids = recording_rows.of_ids(session, {id_ for sign in signs for id_ in sign.with_ids})
        of_jobs = recording_rows.of_jobs(session, {sign.data.job_id for sign in signs if sign.data.job_id is not None})
        self._by_id = {name: self._once(recording) for name, recording in of_ids.items()}  # source and id
        self._by_job = {name: self._once(recording) for name, recording in of_jobs.items()}  # source, subject and job
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
        self._by_id[sign.source, id] = recording
        if sign.data.job_id is not None:
            self._by_job[sign.source, sign.subject, sign.data.job_id] = recording

    def write(self, rules: Sequence[WatchRule]) -> list[int]:
        """Write what changed; which recordings those are."""
        changed = list({id(recording): recording for _, recording, _ in self._signs}.values())
        watched = recording_rows.watched(self._session, [one.id for one in changed if one.id is not None])
        recording_rows.write_recordings(self._session, changed)
        recording_rows.join(
            self._session, [Joined(sign.event, _id(recording), sign.data.job_id) for sign, recording, _ in self._signs]
        )
        for sign, recording, counts in self._signs:
            if rules or recording.id in watched:  # else nothing of it is waited for
                see(self._session, rules, sign, _id(recording), counts)
        return [_id(recording) for recording in changed]

    def _of_stream(self, sign: Sign) -> list[Recording]:
        known = self._streams[sign.source, sign.subject]
        if len(known) >= RECENT_MAX and sign.at < min(one.from_at for one in known):
            around = {"source": sign.source, "subject": sign.subject, "at": sign.at}
            return [*known, *(self._once(Recording(*row)) for row in self._session.rows(_AROUND, around))]
        return known

    def _named(self, sign: Sign) -> Recording | None:
        """By the ids and the job that it names, where it names any."""
        for id_ in sign.with_ids:
            if (recording := self._by_id.get((sign.source, id_))) is not None:
                return recording
        job = sign.data.job_id
        return None if job is None else self._by_job.get((sign.source, sign.subject, job))

    def _once(self, recording: Recording) -> Recording:
        """The same one however often it is read."""
        return self._by_row.setdefault(_id(recording), recording)


def _id(recording: Recording) -> int:
    assert recording.id is not None  # it was read or written
    return recording.id


def overdue_by(session: Session, recording: int, more: int) -> None:
    """So many more of what it waits for are overdue; fewer below 0. With the lock."""
    for row in session.rows(f"{RECORDING} WHERE id = :id", {"id": recording}):
        one = Recording(*row)
        one.overdue = max(one.overdue + more, 0)
        recording_rows.write_recordings(session, [one])


def put_in(session: Session, seq: int, recording: int) -> None:
    """An event that was made of a recording belongs to it. With the lock."""
    if not session.rows(_JOINED, {"event": seq}):
        recording_rows.join(session, [Joined(seq, recording, None)])


# -- events that go


def touched(session: Session, after: int, upto: int) -> Sequence[int]:
    """The recordings of the events of a span."""
    return [id_ for (id_,) in session.rows(_TOUCHED, {"after": after, "upto": upto})]


def of_event(session: Session, seq: int) -> int | None:
    """The recording an event belongs to."""
    found: int | None = value_of(session.rows(_JOINED, {"event": seq}))
    return found


def rebuild(session: Session, recordings: Collection[int]) -> None:
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
        recording_rows.write_recordings(session, [recording])
