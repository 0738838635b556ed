"""The rules of deliveries that were in flight when a process died: counted, so that one that kills it cannot go on for ever."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from gateway.store.engine.session import Session, number_of
from gateway.store.outbox import statements as sql

SILENT_MS: Final = 20_000  # ms without a sign of life, after which a gateway on a shared database is taken for dead
BEAT_SECONDS: Final = 5.0
SUSPECTS_COUNTED_MAX: Final = 100
FORGOTTEN_MS: Final = 24 * 3600_000  # ms


def count(session: Session, sink: str, owner: str) -> None:
    """Other gateways' ended leases are nobody's from now on; where the owner died (and is not only late) it is one more loss."""
    session.change(sql.COUNT_LOSSES, {"sink": sink, "owner": owner, "silent": SILENT_MS})


def count_all(session: Session, owner: str) -> None:
    """The same for every sink, at the start of the only gateway of a store."""
    for (sink,) in session.rows(sql.NAMES):
        count(session, sink, owner)


def of_sink(session: Session, sink: str) -> Mapping[int, tuple[int, int]]:
    """Delivery -> its losses, and those while it was alone in flight; only of open ones that have any."""
    return {id_: (losses, lone) for id_, losses, lone in session.rows(sql.LOSSES, {"sink": sink})}


def suspects(session: Session) -> int:
    """How many open deliveries of all sinks a process died with; counted to a bound."""
    return number_of(session.rows(sql.SUSPECTS, {"most": SUSPECTS_COUNTED_MAX}))


def note_sending(session: Session, leases: Collection[tuple[int, int]], owner: str, alone: bool) -> bool:
    """Note that this gateway is about to send these, (delivery, token) each, with nothing else in flight (`alone`) or beside
    others; False: a lease was lost."""
    with session.atomic():
        values = [{"id": id_, "token": token, "owner": owner, "alone": int(alone)} for id_, token in sorted(leases)]
        return all([session.change(sql.BEGUN, one) == 1 for one in values])  # noqa: C419  each of them


def survived(session: Session, deliveries: Collection[int]) -> None:
    """A try came to its end, whatever that was: the process lives."""
    for delivery in sorted(deliveries):
        session.change(sql.SURVIVED, {"id": delivery})


def progressed(session: Session, delivery: int) -> None:
    """It kept something since its last loss: it gets on, however often it has to begin again."""
    session.change(sql.PROGRESSED, {"id": delivery})


def disown(session: Session, owner: str) -> None:
    """This gateway stops in good order: what it leaves in flight is nobody's loss."""
    with session.atomic():
        for (sink,) in session.rows(sql.NAMES):
            session.change(sql.DISOWN, {"sink": sink, "owner": owner})
        session.change("DELETE FROM gateways WHERE owner = :owner", {"owner": owner})


def beat(session: Session, owner: str) -> None:
    """Say that this gateway lives. By the store's own thread, because a plugin may hold up the loop."""
    session.change(sql.BEAT, {"owner": owner})
    session.change("DELETE FROM gateways WHERE seen_at < :now - :forgotten", {"forgotten": FORGOTTEN_MS})
