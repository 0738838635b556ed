"""The rules of leases after the claim: settle, renew, release."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.store.engine.batch import Bulk, SettleIn, settle_in
from gateway.store.engine.encrypted_rows import MEMO, PROGRESS, encrypt
from gateway.store.engine.reruns import transaction
from gateway.store.outbox import statements as sql
from gateway.store.outbox.accept import accept, names_of
from gateway.store.records import FencingToken, NewEvent, Settled, Settlement


def settle(session: Bulk, groups: Sequence[Sequence[Settlement]]) -> list[list[bool]]:
    """Write outcomes; False where the lease was lost. Answers in the order of the arguments."""
    rows = [settle_in(one) for group in groups for one in group]
    rows = [row if row.memo is None else _encrypted(session, row, row.memo) for row in rows]
    done: list[bool] = [False] * len(rows)
    pending = list(range(len(rows)))
    while pending:
        wave: dict[int, int] = {}  # delivery -> position: never one delivery twice in one statement
        later: list[int] = []
        for n in pending:
            if rows[n].id in wave:
                later.append(n)
            else:
                wave[rows[n].id] = n
        # Sorted, because two gateways that lock the same rows in opposite order deadlock.
        order = [wave[id_] for id_ in sorted(wave)]
        for n, answer in zip(order, _wave(session, [rows[n] for n in order]), strict=True):
            done[n] = answer
        pending = later
    flat = iter(done)
    return [[next(flat) for _ in group] for group in groups]


def _encrypted(session: Bulk, row: SettleIn, memo: str) -> SettleIn:
    return row._replace(memo=encrypt(session, MEMO, (row.id,), memo))


def _wave(session: Bulk, rows: Sequence[SettleIn]) -> list[bool]:
    answers = list(session.settle(rows, locked=session.one_transaction))
    ordered = [n for n, answer in enumerate(answers) if answer is None]
    if ordered:
        # The key is locked in a statement before the one that ends its head, because a snapshot that is older than the
        # lock would not see who stands next.
        ids = [rows[n].id for n in ordered]

        def ends() -> Sequence[bool | None]:
            session.lock(keys_of(session, ids))
            return session.settle([rows[n] for n in ordered], locked=True)

        for n, answer in zip(ordered, transaction(session, ends), strict=True):
            answers[n] = answer
    return [bool(answer) for answer in answers]


def keys_of(session: Bulk, ids: Sequence[int]) -> set[str]:
    """What orders these deliveries, as `session.lock` takes it."""
    found = [session.rows("SELECT sink, order_key FROM deliveries WHERE id = :id", {"id": id_}) for id_ in ids]
    return {f"{sink} {key}" for rows in found for sink, key in rows}


def renew(session: Bulk, delivery: int, token: FencingToken, lease: int) -> bool:
    """Lengthen a lease; False: it was lost."""
    return session.change(sql.RENEW, {"id": delivery, "token": token, "lease": lease}) == 1


def keep_alive(
    session: Bulk, delivery: int, token: FencingToken, lease: int, memo: str | None, progress: str | None
) -> bool:
    """A long delivery gets on: its lease begins anew, and what is not None is kept; False: the lease was lost."""
    values = {
        "id": delivery,
        "token": token,
        "lease": lease,
        "memo": None if memo is None else encrypt(session, MEMO, (delivery,), memo),
        "progress": None if progress is None else encrypt(session, PROGRESS, (delivery,), progress),
    }
    return session.change(sql.KEEP_ALIVE, values) == 1


def release(session: Bulk, leases: Sequence[tuple[int, int]], delay: int) -> None:
    """Give leases back that were not begun; their attempt is not burnt."""
    with session.atomic():
        for delivery, token in sorted(leases):
            session.change(sql.RELEASE, {"id": delivery, "token": token, "delay": max(delay, 0)})


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
