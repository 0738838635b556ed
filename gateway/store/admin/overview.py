"""The store at a glance: what every sink holds, how much there is of everything, and how the database is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from gateway.store.admin.damage_bypass import UndamagedCount
from gateway.store.admin.pages import ranges
from gateway.store.admin.shown_rows import SinkRow, Status
from gateway.store.engine.migrations import schema_version
from gateway.store.engine.session import Session, Trouble, number_of, value_of
from gateway.store.outbox import gates
from gateway.store.outbox import statements as sql
from gateway.store.outbox.counts import under_way
from gateway.store.records import Gate
from gateway.text.store_address import StoreAddress

_BY_SINK: Final = """SELECT sink, state, count(*), min(since_at) FROM deliveries WHERE id > :after AND id <= :upto
  GROUP BY sink, state"""
_EVENTS: Final = "SELECT count(*) FROM events WHERE seq > :after AND seq <= :upto"
_HELD: Final = "SELECT count(*) FROM events WHERE held IS NOT NULL"
_HELD_AMONG: Final = f"{_HELD} AND seq > :after AND seq <= :upto"
_HELD_COUNT: Final = "SELECT count(*) FROM (SELECT 1 FROM events WHERE held IS NOT NULL LIMIT :most) AS held"
_NEXT_DEAD: Final = "SELECT sink FROM deliveries WHERE state = 'dead' AND sink > :sink ORDER BY sink LIMIT 1"
_REFUSED: Final = "SELECT count(*) FROM refused"
# Type by type, because along their index a source is sought only within one.
_EVENTS_FROM: Final = """WITH RECURSIVE types(type) AS (SELECT min(type) FROM events
    UNION ALL SELECT (SELECT min(e.type) FROM events e WHERE e.type > types.type) FROM types WHERE types.type IS NOT NULL)
  SELECT 1 FROM types WHERE EXISTS (SELECT 1 FROM events e WHERE e.type = types.type AND e.source = :source) LIMIT 1"""
_FROM: Final = ("SELECT 1 FROM refused WHERE source = :source LIMIT 1", _EVENTS_FROM)
_META: Final = "SELECT value FROM meta WHERE name = 'made_at'"
_SERVER: Final = """SELECT current_setting('server_version'), pg_database_size(current_database()),
  (SELECT count(*) FROM pg_stat_activity a WHERE a.datname = current_database() AND a.application_name = 'recording-gateway'),
  (SELECT CAST(extract(epoch FROM max(now() - a.xact_start)) AS integer) FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid())"""


def sinks(session: Session) -> Sequence[SinkRow]:
    """Every sink that the store knows of, counted exactly, piece by piece; what lies on a damaged page is left out."""
    return _sinks(session, UndamagedCount(session))


def _sinks(session: Session, count: UndamagedCount) -> Sequence[SinkRow]:
    counts: Counter[tuple[str, str]] = Counter()
    oldest: dict[str, int] = {}
    for after, upto in ranges(session, "deliveries", "id"):
        for sink, state, number, since in count.rows(_BY_SINK, after, upto):
            counts[sink, state] += number
            if state == "waiting":
                oldest[sink] = min(since, oldest.get(sink, since))
    shut = gates.all_gates(session)
    return [
        SinkRow(
            name=name,
            waiting=counts[name, "waiting"],
            sending=counts[name, "sending"],
            delivered=counts[name, "delivered"],
            dead=counts[name, "dead"],
            oldest_waiting_at=oldest.get(name),
            gate=shut.get(name) or Gate(sink=name),
            under_way=under_way(session, name) if counts[name, "sending"] else (),
        )
        for name in sorted({sink for sink, _ in counts} | set(shut))
    ]


def sink_names(session: Session) -> Sequence[str]:
    """The sinks that have deliveries that are open or dead, or a gate."""
    return sorted(
        {name for (name,) in session.rows(sql.NAMES)} | set(gates.all_gates(session)) | set(dead_sinks(session))
    )


def dead_sinks(session: Session) -> Sequence[str]:
    """The sinks that have dead letters, along their index."""
    names: list[str] = []
    while rows := session.rows(_NEXT_DEAD, {"sink": names[-1] if names else ""}):
        names.append(value_of(rows))
    return names


def held_events(session: Session, most: int) -> int:
    """How many events are held."""
    return number_of(session.rows(_HELD_COUNT, {"most": most}))


def knows_source(session: Session, name: str) -> bool:
    """Whether an event or a refused callback came from a source of this name."""
    return any(session.rows(text, {"source": name}) for text in _FROM)


def status(session: Session, address: StoreAddress) -> Status:
    """Counts, sizes, and what is worth knowing of the database."""
    deliveries, events = UndamagedCount(session), UndamagedCount(session)
    rows = _sinks(session, deliveries)
    size, details = _sqlite(session, address) if session.backend == "sqlite" else _postgres(session)
    total = _sum(events, _EVENTS, session)
    held_events = _held(session)
    if events.unread or deliveries.unread:
        lost = f"up to {events.unread} events and {deliveries.unread} deliveries cannot be read, and are not counted"
        details = {**details, "damaged pages": lost}
    return Status(
        url=address.shown,
        schema=schema_version(session),
        events=total,
        held_events=held_events,
        waiting=sum(row.waiting + row.sending for row in rows),
        dead=sum(row.dead for row in rows),
        refused=number_of(session.rows(_REFUSED)),
        oldest_waiting_at=min(
            (row.oldest_waiting_at for row in rows if row.oldest_waiting_at is not None), default=None
        ),
        size_bytes=size,
        details=details,
    )


def _sum(count: UndamagedCount, statement: str, session: Session) -> int:
    return sum(
        int(number)
        for after, upto in ranges(session, "events", "seq")
        for (number,) in count.rows(statement, after, upto)
    )


def _held(session: Session) -> int:
    try:
        return number_of(session.rows(_HELD))
    except Exception as error:
        if session.trouble(error) is not Trouble.DAMAGED:
            raise
    return _sum(UndamagedCount(session), _HELD_AMONG, session)


def _sqlite(session: Session, address: StoreAddress) -> tuple[int, Mapping[str, str]]:
    pages, page, free, version = (
        value_of(session.rows(text))
        for text in ("PRAGMA page_count", "PRAGMA page_size", "PRAGMA freelist_count", "SELECT sqlite_version()")
    )
    path = address.path.absolute()
    log = path.with_name(path.name + "-wal")
    owner = "nobody has served it yet"
    with suppress(OSError):
        owner = path.with_name(path.name + ".lock").read_text(errors="replace").strip() or owner
    details = {
        "SQLite": str(version),
        "pages": f"{pages} of {page} bytes, {free} free for reuse",
        "write-ahead log": f"{log.stat().st_size if log.exists() else 0:,} bytes",
        "last owner": owner,
    }
    return pages * page, details


def _postgres(session: Session) -> tuple[int | None, Mapping[str, str]]:
    mode = {"mode": "reduced"} if session.reduced else {}
    try:
        ((version, size, connections, oldest),) = session.rows(_SERVER)
    except Exception as error:
        if session.trouble(error) is not Trouble.STORE:
            raise
        return None, {"PostgreSQL": "one that does not tell of itself", **mode}
    details = {
        "PostgreSQL": str(version),
        "gateways' connections": str(connections),
        "oldest transaction": "none" if oldest is None else f"{oldest} s",
        **mode,
    }
    return int(size), details
