"""Recordings as rows, many at a time: a step of joins is a few statements, however many events it has.

Because on a server each statement is a round trip, all of them under one lock, and other gateways wait for it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.store.engine.session import Columns, Session
from gateway.store.outbox.recording_state import Recording

RECENT_MAX: Final = 50  # recordings of one stream among which an event finds its own

_TEXTS: Final = ("source", "subject", "domain", "app", "stream", "task")
FIELDS: Final = (
    *("source", "subject", "domain", "app", "stream", "from_at", "to_at", "task", "pushed_at", "unpushed_at"),
    *("started_at", "ended_at", "failed_at", "begun", "completed", "overdue"),
)
_COLUMNS: Final = ", ".join(FIELDS)
RECORDING: Final = f"SELECT id, {_COLUMNS} FROM recording_sessions"  # noqa: S608
_QUALIFIED: Final = ", ".join(f"r.{name}" for name in ("id", *FIELDS))

# `:rows` is a list of JSON objects, `:these` one of texts or numbers; each database has its own words for them.
_ROWS: Final = {
    "sqlite": "(SELECT {extracted} FROM json_each(:rows))",
    "postgresql": "json_to_recordset(CAST(:rows AS json))",
}
# `= ANY (ARRAY (…))` keeps the plan on the index, whatever the planner guesses how many there are.
_THESE: Final = {
    "sqlite": "IN (SELECT value FROM json_each(:these))",
    "postgresql": "= ANY (ARRAY (SELECT CAST(value AS {kind}) FROM json_array_elements_text(CAST(:these AS json))))",
}
_OF_STREAMS: Final = {
    "sqlite": f"""SELECT {_QUALIFIED} FROM {{rows}} JOIN recording_sessions r ON r.id IN (SELECT x.id FROM recording_sessions x
  WHERE x.source = v.source AND x.subject = v.subject ORDER BY x.from_at DESC LIMIT {RECENT_MAX})
  ORDER BY r.from_at DESC""",  # noqa: S608
    "postgresql": f"""SELECT {_QUALIFIED} FROM {{rows}} CROSS JOIN LATERAL (SELECT x.* FROM recording_sessions x
  WHERE x.source = v.source AND x.subject = v.subject ORDER BY x.from_at DESC LIMIT {RECENT_MAX}) AS r
  ORDER BY r.from_at DESC""",  # noqa: S608
}
_OF_IDS: Final = f"""SELECT e.source, e.id, {_QUALIFIED} FROM events e JOIN recording_events j ON j.event = e.seq
  JOIN recording_sessions r ON r.id = j.recording WHERE e.id {{these}}"""  # noqa: S608
_OF_JOBS: Final = f"""SELECT j.job, {_QUALIFIED} FROM recording_events j JOIN recording_sessions r ON r.id = j.recording
  WHERE j.job {{these}} AND j.job IS NOT NULL"""  # noqa: S608
_INSERT: Final = f"""INSERT INTO recording_sessions (state, {_COLUMNS})
  SELECT v.state, {", ".join(f"v.{name}" for name in FIELDS)} FROM {{rows}} WHERE true ORDER BY v.place
  RETURNING id, {_COLUMNS}"""  # noqa: S608
_UPDATE: Final = f"""UPDATE recording_sessions SET state = v.state, {", ".join(f"{name} = v.{name}" for name in FIELDS)}
  FROM {{rows}} WHERE recording_sessions.id = v.id"""  # noqa: S608
_JOIN: Final = "INSERT INTO recording_events (event, recording, job) SELECT v.event, v.recording, v.job FROM {rows} WHERE true ORDER BY v.event"
_WATCHED: Final = "SELECT DISTINCT w.recording FROM watches w WHERE w.recording {these}"

_FORGET: Final = """DELETE FROM recording_sessions WHERE id {these}
  AND NOT EXISTS (SELECT 1 FROM recording_events j WHERE j.recording = recording_sessions.id)"""


class Joined(NamedTuple):
    """An event and the recording it belongs to; `job`: the vendor's name for the job it came from."""

    event: int
    recording: int
    job: str | None


def of_streams(session: Session, streams: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[Recording]]:
    """The newest recordings of each of these streams, by source and subject."""
    by_stream: dict[tuple[str, str], list[Recording]] = {stream: [] for stream in streams}
    rows = [{"source": source, "subject": subject} for source, subject in sorted(streams)]
    text = _OF_STREAMS[session.backend].format(rows=_values_table(session, {"source": "text", "subject": "text"}))
    for row in session.rows(text, {"rows": json.dumps(rows)}) if rows else ():
        recording = Recording(*row)
        by_stream[recording.source, recording.subject].append(recording)
    return by_stream


def of_ids(session: Session, ids: Collection[str]) -> Mapping[tuple[str, str], Recording]:
    """The recording of each event of these ids, by source and id."""
    return {(source, id_): Recording(*row) for source, id_, *row in _those(session, _OF_IDS, ids)}


def of_jobs(session: Session, jobs: Collection[str]) -> Mapping[tuple[str, str, str], Recording]:
    """The recording of each of these jobs, by source, subject and job."""
    by_job = {}
    for job, *row in _those(session, _OF_JOBS, jobs):
        recording = Recording(*row)
        by_job[recording.source, recording.subject, job] = recording
    return by_job


def watched(session: Session, recordings: Collection[int]) -> set[int]:
    """Those of these recordings that something is or was waited for in."""
    return {id_ for (id_,) in _those(session, _WATCHED, recordings, "bigint")}


def write_recordings(session: Session, recordings: Sequence[Recording]) -> None:
    """Write these; those that are new get their `id`, in this order."""
    kinds = {"place": "bigint", "id": "bigint", "state": "text"} | {
        name: "text" if name in _TEXTS else "bigint" for name in FIELDS
    }
    new = [recording for recording in recordings if recording.id is None]
    known = [recording for recording in recordings if recording.id is not None]
    if known:
        session.change(_UPDATE.format(rows=_values_table(session, kinds)), {"rows": _json(known)})
    if new:
        ids: defaultdict[tuple[object, ...], list[int]] = defaultdict(list)
        for id_, *row in session.rows(_INSERT.format(rows=_values_table(session, kinds)), {"rows": _json(new)}):
            ids[tuple(row)].append(id_)
        for same in ids.values():
            same.sort(reverse=True)
        for recording in new:  # those that say the same are the same to whoever joins them
            recording.id = ids[tuple(getattr(recording, name) for name in FIELDS)].pop()


def join(session: Session, joined: Iterable[Joined]) -> None:
    """Write which recordings these events belong to; each is new."""
    rows = json.dumps([one._asdict() for one in joined])
    kinds = {"event": "bigint", "recording": "bigint", "job": "text"}
    session.change(_JOIN.format(rows=_values_table(session, kinds)), {"rows": rows})


def forget_empty(session: Session, recordings: Collection[int]) -> None:
    """Delete those of these that no event belongs to any more."""
    if recordings:
        session.change(_FORGET.format(these=_THESE[session.backend].format(kind="bigint")), _these(recordings))


def _json(recordings: Sequence[Recording]) -> str:
    return json.dumps(
        [
            {"place": place, "id": one.id, "state": one.state, **{name: getattr(one, name) for name in FIELDS}}
            for place, one in enumerate(recordings)
        ]
    )


def _values_table(session: Session, kinds: Mapping[str, str]) -> str:
    """What stands behind FROM: the objects of `:rows` as the table `v`."""
    if session.backend == "sqlite":
        extracted = ", ".join(f"json_extract(value, '$.{name}') AS {name}" for name in kinds)
        return _ROWS["sqlite"].format(extracted=extracted) + " AS v"
    return f"{_ROWS['postgresql']} AS v ({', '.join(f'{name} {kind}' for name, kind in kinds.items())})"


def _those(
    session: Session, statement: str, these: Collection[str] | Collection[int], kind: str = "text"
) -> Sequence[Columns]:
    if not these:
        return ()
    return session.rows(statement.format(these=_THESE[session.backend].format(kind=kind)), _these(these))


def _these(these: Collection[str] | Collection[int]) -> dict[str, str]:
    return {"these": json.dumps(sorted(these))}
