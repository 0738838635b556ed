"""What waits, sink by sink: index probes and bounded counts, never a count of everything."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Final

from gateway.errors import StoreKeyMissing, ValueUnreadable
from gateway.model import shown_variant
from gateway.store.admin.shown_rows import SinkRow, UnderWay
from gateway.store.engine.encrypted_rows import PROGRESS, decrypt
from gateway.store.engine.session import Session, Trouble, number_of
from gateway.store.outbox import gates
from gateway.store.outbox import statements as sql
from gateway.store.records import Due, Gate, Rank

SHOWN_MAX: Final = 20  # long deliveries of a sink that are shown with it
COUNTED_ROWS_MAX: Final = 10_001  # rows of a rank that are counted: a gauge needs no more


def due(session: Session) -> Sequence[Due]:
    """The least due time of each sink that has open rows, over the lanes a claim reads."""
    found = session.rows(sql.DUE)
    return [
        Due(sink=sink, at=min((at for at in least if at is not None), default=None), now=now)
        for sink, now, *least in found
    ]


def sinks(session: Session, more: Collection[str] = ()) -> Sequence[SinkRow]:
    """Every sink that has open rows or a gate, and `more`. `delivered` stays 0: counting it would read every finished row."""
    shut = gates.all_gates(session)
    names = {name for (name,) in session.rows(sql.NAMES)} | set(shut) | set(more)
    return [_sink(session, name, shut.get(name) or Gate(sink=name)) for name in sorted(names)]


def _sink(session: Session, name: str, gate: Gate) -> SinkRow:
    ranked = {rank: _count(session, sql.COUNTS[rank], name) for rank in Rank}
    leased = ranked.pop(Rank.LEASED)
    return SinkRow(
        name=name,
        waiting=sum(ranked.values()),
        sending=leased,
        delivered=0,
        dead=_count(session, sql.COUNT_DEAD, name),
        oldest_waiting_at=_waiting_since(session, name),
        gate=gate,
        under_way=under_way(session, name) if leased else (),
    )


def _waiting_since(session: Session, sink: str) -> int | None:
    """Since when the oldest waits; None also where one that would have to be looked at lies on a damaged page."""
    try:
        (oldest,) = session.rows(sql.WAITING_SINCE, {"sink": sink})
    except Exception as error:
        if session.trouble(error) is not Trouble.DAMAGED:
            raise
        return None
    return min((at for at in oldest if at is not None), default=None)


def under_way(session: Session, sink: str) -> tuple[UnderWay, ...]:
    """Long deliveries as their sinks say that they get on, among the leases of one sink, which are few.

    Where one lies on a damaged page none is shown, because nothing else may fail of it.
    """
    try:
        rows = session.rows(sql.UNDER_WAY, {"sink": sink, "most": SHOWN_MAX})
    except Exception as error:
        if session.trouble(error) is not Trouble.DAMAGED:
            raise
        return ()
    shown = []
    for id_, event, variant, progress in rows:
        try:
            readable = decrypt(session, PROGRESS, (id_,), progress)
        except (StoreKeyMissing, ValueUnreadable):
            continue
        ref = f"{event}~{shown_variant(bytes(variant))}" if variant else event
        shown.append(UnderWay(delivery=id_, event_ref=ref, **json.loads(readable)))
    return tuple(shown)


def _count(session: Session, statement: str, sink: str) -> int:
    return number_of(session.rows(statement, {"sink": sink, "most": COUNTED_ROWS_MAX}))


def open_by_source(session: Session, most: int) -> dict[str, int]:
    """How many deliveries of each source wait or are being sent, of the first `most`."""
    return {source: int(count) for source, count in session.rows(sql.COUNT_SOURCES, {"most": most})}


def open_deliveries(session: Session, most: int) -> int:
    """How many deliveries wait or are being sent, counted no further than `most`."""
    return number_of(session.rows(sql.COUNT_OPEN, {"most": most}))
