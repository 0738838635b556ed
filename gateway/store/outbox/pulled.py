"""The rules of pull sinks: what consumers are given, what they hold, and what they would be given next."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.errors import StoreKeyMissing
from gateway.store.engine.batch import Bulk, ClaimedRow, leases_of, read_event
from gateway.store.engine.encrypted_rows import EventKey, open_event
from gateway.store.engine.session import Session, Trouble, number_of, value_of
from gateway.store.outbox import losses
from gateway.store.outbox import statements as sql
from gateway.store.outbox.gates import gate_of
from gateway.store.records import CONSUMER, Claim, FencingToken, Lease, Peeked, Pulled, Rank

_PEEKED_RANKS: Final = (Rank.LEASED, Rank.FRESH, Rank.AGAIN, Rank.LAST)
_KEY_NAME: Final = "pull_key"
KEY_BYTES: Final = 32
_MAKE_KEY: Final = "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING"
_KEY: Final = "SELECT value FROM meta WHERE name = :name"


class _PeekedRow(NamedTuple):
    """`statements.PEEK`."""

    id: int
    attempts: int
    due_at: int
    body: str
    raw: bytes
    raw_type: str
    variant: bytes
    supersedes: str | None
    source: str
    event_id: str


def lease_out(session: Bulk, sink: str, most: int, lease: int, limit: int, first: int) -> Pulled:
    """Lease up to `most` due deliveries for `lease` ms to whoever asks, while fewer than `limit` of this sink are leased."""
    room, claim = limit, Claim(sink, 1, lease, first, CONSUMER)
    losses.count(session, sink, CONSUMER)  # what gateways held when the sink was one that they call
    try:
        with session.atomic():
            gate = gate_of(session, sink)
            if gate.paused:
                return Pulled((), "paused")
            if gate.open_until is not None:
                session.change(sql.CLOSE, {"sink": sink})
            session.lock({f"pull {sink}"})  # because two gateways that count at once would both find room
            room = limit - number_of(session.rows(sql.LIVE_LEASES, {"sink": sink, "most": limit}))
            if room <= 0:
                return Pulled((), "concurrency")
            leases = session.lease_due(claim.replace(most=min(most, room)))
    except Exception as error:
        if session.one_transaction or session.trouble(error) is not Trouble.DAMAGED:
            raise
        leases = session.lease_due(claim)  # sets aside what is damaged, in steps of its own
    return Pulled(tuple(leases), None if leases else "empty")


def leased(session: Bulk, sink: str, ids: Sequence[tuple[int, int]]) -> Sequence[Lease | None]:
    """What is leased under these (delivery, token) pairs; None: it is not any more. `elapsed` is up to now."""
    stalled = gate_of(session, sink).stalled
    still: list[Lease | None] = []
    for delivery, token in ids:
        rows = session.rows(sql.LEASED, {"sink": sink, "id": delivery, "token": token})
        leases: Sequence[Lease] = ()
        for now, *row in rows:
            claimed = ClaimedRow._make((*row, False, stalled))
            leases = leases_of(session, sink, [claimed], claimed.due_at - int(now))
        session.tally.unreadable.clear()  # it was readable when it was handed out; a claim finds what is damaged since
        still.append(leases[0] if leases else None)
    return still


def ended_as(session: Session, delivery: int, token: FencingToken, started_at: int) -> str | None:
    """The outcome with which this lease, of `started_at`, was ended before, while nobody else had it since."""
    found = value_of(session.rows(sql.ENDED_AS, {"id": delivery, "token": token, "started": started_at}))
    return None if found is None else str(found)


def extend(session: Bulk, ids: Sequence[tuple[int, int]], lease: int) -> Sequence[int | None]:
    """Until when each is leased now, `lease` ms from now; None: it was lost. One that had ended is a consumer's again."""
    with session.atomic():
        kept = {(id_, token) for id_, token in sorted(set(ids)) if _extended(session, id_, token, lease)}
        return [_until(session, *pair) if pair in kept else None for pair in ids]


def _extended(session: Bulk, delivery: int, token: FencingToken, lease: int) -> bool:
    return session.change(sql.EXTEND, {"id": delivery, "token": token, "lease": lease}) == 1


def _until(session: Session, delivery: int, token: FencingToken) -> int | None:
    found = value_of(session.rows(sql.LEASED_UNTIL, {"id": delivery, "token": token}))
    return None if found is None else int(found)


def peek(session: Session, sink: str, most: int) -> Sequence[Peeked]:
    """What would be handed out next, about in that order. Nothing changes; what cannot be read is left out."""
    values = {"sink": sink, "most": most}
    rows = [_PeekedRow._make(row) for rank in _PEEKED_RANKS for row in session.rows(sql.PEEKS[rank], values)]
    peeked: list[Peeked] = []
    for row in sorted(rows, key=lambda row: (row.due_at, row.id)):
        if len(peeked) == most:
            break
        try:
            body, raw = open_event(session, EventKey(row.source, row.event_id, row.variant), row.body, row.raw)
            event = read_event(body, raw, row.raw_type, row.variant, row.supersedes)
        except StoreKeyMissing:
            raise
        except Exception:  # noqa: S112  a claim says so, and ends it
            continue
        peeked.append(Peeked(delivery=row.id, attempts=row.attempts, event=event))
    return peeked


def receipt_key(session: Bulk) -> bytes:
    """The key that receipts are made with, one for all gateways on this store; made when it is first asked for."""
    with session.atomic():
        session.change(_MAKE_KEY, {"name": _KEY_NAME, "value": secrets.token_hex(KEY_BYTES)})
        return bytes.fromhex(str(value_of(session.rows(_KEY, {"name": _KEY_NAME}))))
