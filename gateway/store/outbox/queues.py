"""The rules of queues: deliveries that wait for their turn at one target stand behind a head, where no claim reads them.

A row joins when a lane had it in hand and could not begin it; so each costs a claim once, however long its target stands
still. A queue has the shape of an ordering key: its head is claimed when due, and when it ends the next one comes free. It is
ranked as one that was tried, because what is fresh comes first where a sink is probed, and this one's target may be broken.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.store.engine.batch import Bulk
from gateway.store.outbox import statements as sql
from gateway.store.records import FencingToken


def join(session: Bulk, sink: str, key: str, leases: Sequence[tuple[int, int]], delay: int) -> None:
    """Give leases back that were not begun, into this queue: the first of it is due after `delay` ms, the others after it."""
    with session.atomic():
        session.lock({f"{sink} {key}"})
        for delivery, token in sorted(leases):
            values = {"id": delivery, "token": token, "sink": sink, "key": key, "delay": max(delay, 0)}
            session.change(sql.JOIN_QUEUE, values)


def leave(session: Bulk, sink: str, key: str, delivery: int, token: FencingToken) -> None:
    """The head goes on by itself and holds up nobody: the next of its queue comes free."""
    with session.atomic():
        session.lock({f"{sink} {key}"})
        if session.change(
            sql.LEAVE_QUEUE, {"id": delivery, "token": token, "sink": sink, "key": key}
        ) and session.change(sql.PROMOTE, {"sink": sink, "key": key}):
            session.tally.freed.add(sink)
