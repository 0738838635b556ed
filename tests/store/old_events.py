"""Stores as they are after months: old events by the million, made in SQL, with all that hangs on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from gateway.store.engine.session import Session, number_of

CHUNK_ROWS: Final = 50_000  # of one transaction, so that neither log grows without end
DAY_MS: Final = 24 * 3600_000
STREAM_EVENTS: Final = 8  # of one recording

# What differs: how rows are counted up, and an id that looks like a digest.
_WORDS: Final = {
    "sqlite": {
        "rows": "WITH RECURSIVE n(i) AS (SELECT :start UNION ALL SELECT i + 1 FROM n WHERE i < :start + :many - 1)",
        "id": "lower(hex(randomblob(16)))",
        "from": "n",
        "digest": "randomblob(16)",
    },
    "postgresql": {
        "rows": "",
        "id": "md5(random()::text || i)",
        "from": "generate_series(CAST(:start AS bigint), CAST(:start AS bigint) + CAST(:many AS bigint) - 1) AS n(i)",
        "digest": "decode(md5(i::text), 'hex')",
    },
}
_EVENTS: Final = """{rows} INSERT INTO events (id, source, type, subject, received_at, fingerprint, body, raw, raw_type, routing)
  SELECT {id}, 'live', 'recording.file.completed', 'push.example.com/live/s' || (i / {of_stream}), :from_at + i * :every, {digest},
    :body, :raw, 'application/json', :routing FROM {from}"""
_RECORDINGS: Final = """INSERT INTO recording_sessions (source, subject, domain, app, stream, state, from_at, to_at, begun, completed, overdue)
  SELECT source, subject, 'push.example.com', 'live', subject, 'ended', min(received_at), max(received_at), 1, count(*), 0 FROM events
  WHERE seq > :after GROUP BY source, subject ORDER BY min(received_at)"""
_JOINED: Final = """INSERT INTO recording_events (event, recording) SELECT e.seq, max(r.id) FROM events e
  JOIN recording_sessions r ON r.source = e.source AND r.subject = e.subject WHERE e.seq > :after AND r.id > :recording GROUP BY e.seq"""
_DELIVERIES: Final = """INSERT INTO deliveries (event, sink, state, rank, due_at, token, attempts, since_at, first_at, source)
  SELECT seq, :sink, 'delivered', 1, received_at, 1, 1, received_at, received_at, source FROM events WHERE seq > :after ORDER BY seq"""
_ATTEMPTS: Final = """INSERT INTO attempts (delivery, token, started_at, took_ms, outcome, status, detail)
  SELECT id, 1, due_at, 5, 'delivered', 200, '' FROM deliveries WHERE event > :after ORDER BY id"""
_MARK: Final = """INSERT INTO meta (name, value) SELECT 'recordings', '{"at": ' || coalesce(max(seq), 0) || ', "gaps": []}' FROM events
  WHERE true ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
# What is made here refers to what is there; to have it looked up takes a third of the time.
_UNCHECKED: Final = {"sqlite": "PRAGMA foreign_keys = OFF", "postgresql": "SET session_replication_role = replica"}
TABLES: Final = ("events", "deliveries", "attempts", "recording_events", "recording_sessions", "remembered")


def fill(
    session: Session,
    many: int,
    *,
    days: tuple[float, float],
    body: str = "{}",
    raw: bytes = b"{}",
    sink: str = "app",
    told: Callable[[int], object] = lambda _: None,
) -> None:
    """Add `many` events that came between so many days ago, evenly: delivered, and joined to recordings of eight.

    They all have one body. `told` hears how many are there.
    """
    ((now,),) = session.rows("SELECT CAST(:now AS bigint)")
    oldest, youngest = days
    values: dict[str, Any] = {
        "from_at": int(now - oldest * DAY_MS),
        "every": int((oldest - youngest) * DAY_MS / many),
        "body": body,
        "raw": raw,
        "routing": '[{"route": "all", "sinks": ["app"], "matched": true}]',
    }
    words = {**_WORDS[session.backend], "of_stream": STREAM_EVENTS}
    session.rows(_UNCHECKED[session.backend])
    for start in range(0, many, CHUNK_ROWS):
        chunk = {"start": start, "many": min(CHUNK_ROWS, many - start)}
        with session.atomic():
            after = number_of(session.rows("SELECT coalesce(max(seq), 0) FROM events"))
            recording = number_of(session.rows("SELECT coalesce(max(id), 0) FROM recording_sessions"))
            session.change(_EVENTS.format(**words), {**values, **chunk})
            session.change(_DELIVERIES, {"after": after, "sink": sink})
            session.change(_ATTEMPTS, {"after": after})
            session.change(_RECORDINGS, {"after": after})
            session.change(_JOINED, {"after": after, "recording": recording})
            session.change(_MARK)
        told(start + chunk["many"])


def sizes(session: Session, tables: Sequence[str] = TABLES) -> dict[str, int]:
    """Bytes of each table with its indexes, as they lie in the store."""
    if session.backend == "postgresql":
        found = session.rows("SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r'")
    else:
        # pages, not bytes, which it counts in 32 bits
        found = session.rows("""SELECT s.tbl_name, sum(d.pageno) * (SELECT page_size FROM pragma_page_size) FROM dbstat d
          JOIN sqlite_schema s ON s.name = d.name WHERE d.aggregate = TRUE GROUP BY s.tbl_name""")
    return {name: int(size) for name, size in sorted(found, key=lambda row: -row[1]) if name in tables}
