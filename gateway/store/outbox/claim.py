"""The rules of claims: which rows a lane gets, and the one row that may pass an open circuit."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import structlog

from gateway.model import Outcome
from gateway.store.engine.batch import Bulk, leases_of
from gateway.store.engine.session import Trouble
from gateway.store.outbox import statements as sql
from gateway.store.outbox.settle import settle
from gateway.store.records import Lease, Rank, Settlement

_PROBES: Final = (sql.PROBE_FRESH, sql.PROBE_TRIED, sql.PROBE_LAST)

log = structlog.get_logger("gateway.store")


def probe_claim(session: Bulk, sink: str, lease: int, running: Collection[int], owner: str) -> Sequence[Lease]:
    """One delivery past an open circuit, due or not: the oldest never tried, else the least tried. Nothing while paused."""
    with session.atomic():
        gate = session.rows(sql.GATE, {"sink": sink})
        if gate and gate[0][1] is not None:
            return ()
        picked = next(filter(None, (_first(session, text, sink, running) for text in _PROBES)), None)
        if picked is None:
            return ()
        id_, rank, token = picked
        stalled = gate[0][5] if gate else 0
        values = {"id": id_, "token": token, "rank": rank, "lease": lease, "owner": owner, "stalled": stalled}
        taken = session.rows(sql.TAKE, values)
        if not taken:  # another gateway claimed it in between
            return ()
        if rank == Rank.LEASED:
            session.change(sql.LOST, {"id": id_, "token": token})
        if id_ in session.damaged:
            session.tally.unreadable.append((id_, taken[0][2], "a page of the file is damaged"))
            return ()
        try:
            (content,) = session.rows(sql.CONTENT, {"seq": taken[0][1]})
        except Exception as error:
            if session.trouble(error) is Trouble.DAMAGED:
                session.damaged.add(id_)
            raise  # the transaction is over; the next run of the same work knows it
        return leases_of(session.tally, sink, [(*taken[0], *content, rank == Rank.LEASED, stalled)], lease)


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


def _first(session: Bulk, text: str, sink: str, running: Collection[int]) -> tuple[int, int, int] | None:
    """The first row that is not among `running`: one event that breaks its sink must not be every probe."""
    rows = session.rows(text, {"sink": sink, "most": len(running) + 1})
    return next(((int(row[0]), int(row[1]), int(row[2])) for row in rows if row[0] not in running), None)
