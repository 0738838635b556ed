"""The rules of taking refused callbacks after all: judged again before the transaction, accepted and forgotten inside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.errors import GatewayError, Malformed, NotFound, StoreError, StoreUnavailable, Untrusted
from gateway.store.admin import pages
from gateway.store.admin.bulk import ItemResult
from gateway.store.admin.connections import StoreConnections
from gateway.store.admin.shown_rows import RefusedRow
from gateway.store.engine.batch import Bulk
from gateway.store.engine.session import Session, Trouble
from gateway.store.outbox.accept import accept
from gateway.store.records import Accepted, NewEvent, Refusal

Judge = Callable[[Refusal], Sequence[NewEvent]]
"""The events of a refused callback by today's sources and routes. Raises GatewayError where it is still refused."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A refused callback and what came of judging it again: its events, or why there are none."""

    id: int
    events: Sequence[NewEvent] = ()
    why: str | None = None


def reverify_all(connections: StoreConnections, judge: Judge, ids: Sequence[int]) -> Sequence[Judged]:
    """Judge these, outside of any transaction, because a plugin's own code may take its time."""
    return [_judge(connections, judge, id) for id in ids]


def _judge(connections: StoreConnections, judge: Judge, id: int) -> Judged:
    try:
        row = connections.read(partial(_refusal_of, id=id))
        if row is None:
            raise NotFound(f"there is no refused callback {id}; only the last ones of each source are kept")
        return Judged(id, judge(row.refusal))
    except StoreUnavailable:
        raise
    except Untrusted as error:
        return Judged(id, why=f"still refused: {error.code}: {error.detail}")
    except Malformed as error:
        return Judged(id, why=f"still refused: malformed_body: {error.detail}")
    except GatewayError as error:
        return Judged(id, why=str(error))


def _refusal_of(session: Session, id: int) -> RefusedRow | None:
    try:
        return pages.refusal(session, id)
    except Exception as error:
        if session.trouble(error) is not Trouble.DAMAGED:
            raise
        raise StoreError(session.explain(error)) from None  # of this one alone


def accept_judged(session: Bulk, batch: Sequence[Judged]) -> Sequence[ItemResult]:
    """Accept what passed, and keep it as refused no longer."""
    return [
        _accept_one(session, one.id, one.events) if one.why is None else ItemResult(str(one.id), one.why, well=False)
        for one in batch
    ]


def _accept_one(session: Bulk, id: int, events: Sequence[NewEvent]) -> ItemResult:
    if not session.rows("SELECT 1 FROM refused WHERE id = :id", {"id": id}):
        return ItemResult(str(id), "it was taken meanwhile", well=False)
    taken: Sequence[Accepted] = ()
    if events:
        # without leases, because nobody here would carry them
        unleased = [new.replace(deliveries=tuple(one.replace(lease=None) for one in new.deliveries)) for new in events]
        (taken,) = accept(session, [unleased], "admin")
    if full := [one.id for one in taken if one.full]:
        what = f"still refused: too_many_contents: too many other contents are kept under {', '.join(full)}"
        return ItemResult(str(id), what, well=False)
    session.change("DELETE FROM refused WHERE id = :id", {"id": id})
    return ItemResult(str(id), ", ".join(map(_said, taken)) or "verified; its source makes no event of it")


def _said(one: Accepted) -> str:
    became = f"held: {one.held}" if one.held else "taken" if one.new or one.variant else "known already"
    return f"{became} as {one.id}"
