"""The rule of what follows on a delivery: its events are stored in the transaction that settles it, or not at all."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.store.engine.batch import Bulk
from gateway.store.outbox.accept import accept, names_of
from gateway.store.outbox.settle import keys_of, settle
from gateway.store.records import NewEvent, Settled, Settlement


def settle_with(session: Bulk, settlement: Settlement, events: Sequence[NewEvent], owner: str) -> Settled:
    """Write an outcome and what follows on it; nothing of that where the lease was lost.

    The same once more, because its commit's answer was lost or the delivery was made again, stores nothing new: the
    events have their ids from what they follow on.
    """
    with session.atomic():
        if not session.one_transaction:
            # all that either half decides about, at once and in order: two halves locked one after the other would
            # deadlock with another gateway's
            session.lock(names_of(events) | keys_of(session, [settlement.delivery]))
        ((kept,),) = settle(session, [[settlement]])
        if not kept:
            return Settled(False)
        (accepted,) = accept(session, [events], owner)
        session.tally.freed.update(sink for one in accepted for sink in one.waiting)  # their lanes are to look
        return Settled(True, accepted)
