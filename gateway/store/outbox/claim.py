"""The rules of claims: which rows a lane gets, and the one row that may pass an open circuit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from gateway.model import Outcome
from gateway.runtime.lean_imports import import_structlog
from gateway.store.engine.batch import Bulk, ClaimedRow, ContentRow, DueRow, TakenRow, leases_of
from gateway.store.engine.session import Trouble
from gateway.store.outbox import statements as sql
from gateway.store.outbox.gates import gate_of
from gateway.store.outbox.settle import settle
from gateway.store.records import Lease, Rank, Settlement

_PROBES: Final = (sql.PROBE_FRESH, sql.PROBE_TRIED, sql.PROBE_LAST)

log = import_structlog().get_logger("gateway.store")


def probe_claim(session: Bulk, sink: str, lease: int, running: Collection[int], owner: str) -> Sequence[Lease]:
    """One delivery past an open circuit, due or not: the oldest never tried, else the least tried. Nothing while paused."""
    with session.atomic():
        gate = gate_of(session, sink)
        if gate.paused:
            return ()
        picked = next(filter(None, (_first(session, text, sink, running) for text in _PROBES)), None)
        if picked is None:
            return ()
        return take_one(session, sink, picked, lease, owner, gate.stalled)


def take_one(session: Bulk, sink: str, picked: DueRow, lease: int, owner: str, stalled: int) -> Sequence[Lease]:
    """Lease exactly this row, inside a transaction; nothing where another gateway claimed it in between."""
    values = {**picked._asdict(), "lease": lease, "owner": owner, "stalled": stalled}
    taken = next(map(TakenRow._make, session.rows(sql.TAKE, values)), None)
    if taken is None:
        return ()
    lost = picked.rank == Rank.LEASED
    if lost:
        session.change(sql.LOST, {"id": picked.id, "token": picked.token})
    if taken.id in session.damaged:
        session.tally.unreadable.append((taken.id, taken.token, "a page of the file is damaged"))
        return ()
    try:
        (content,) = map(ContentRow._make, session.rows(sql.CONTENT, {"seq": taken.event}))
    except Exception as error:
        if session.trouble(error) is Trouble.DAMAGED:
            session.damaged.add(taken.id)
        raise  # the transaction is over; the next run of the same work knows it
    row = ClaimedRow(*taken, *content, lost=lost, sink_stalled=stalled)
    return leases_of(session, sink, [row], lease)


def end_unreadable(session: Bulk) -> None:
    """Leases whose event cannot be read end as dead, because no later try can read it either; a person sees why."""
    for delivery, token, why in session.tally.unreadable:
        log.error("stored_event_unreadable", delivery=delivery, error=why)
        ended = Settlement(
            delivery=delivery,
            token=token,
            state="dead",
            outcome=Outcome.REFUSED,
            started_at=0,
            took_ms=0,
            detail=f"the stored event cannot be read: {why}",
            reason="refused",
        )
        settle(session, [[ended]])
    session.tally.unreadable.clear()


def _first(session: Bulk, text: str, sink: str, running: Collection[int]) -> DueRow | None:
    """The first row that is not among `running`: one event that breaks its sink must not be every probe."""
    rows = map(DueRow._make, session.rows(text, {"sink": sink, "most": len(running) + 1}))
    return next((row for row in rows if row.id not in running), None)
