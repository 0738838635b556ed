"""What the rules ask of a database many rows at a time; each driver answers in the way that is fast there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from typing import Final, NamedTuple, Protocol

from gateway.errors import StoreKeyMissing
from gateway.events.cloudevents import from_document
from gateway.events.event_annotations import keep_json
from gateway.events.struct_json import read_compact
from gateway.model import Event, Outcome, Value, shown_variant
from gateway.states import DeadReason, DeliveryState, OutcomeName
from gateway.store.engine.encrypted_rows import MEMO, EventKey, decrypt, open_event
from gateway.store.engine.session import Session
from gateway.store.outbox.groups import Groups
from gateway.store.records import Claim, FencingToken, Held, Lease, NewEvent, Rank, Settlement

DETAIL_CHARS_MAX = 2000  # characters of a detail that are kept
_DELIVERED: Final = Outcome.DELIVERED  # at hand, because Python 3.11 finds a member of an enumeration last


class EventIn(Value, frozen=True):
    """One event row to insert, if its (source, id, variant) is free. `forced`: also where it is only
    remembered, or its seal would quarantine it, because that was decided."""

    new: NewEvent
    variant: bytes = b""
    held: Held | None = None
    forced: bool = False


class Kept(Value, frozen=True):
    """An inserted event row: whether it is held, whether its deliveries are ranked last, and what they are."""

    held: Held | None
    weak: bool
    leases: tuple[Lease, ...]
    waiting: tuple[str, ...]


class Tally:
    """What one transaction did that others want to know after its commit."""

    __slots__ = ("ended", "freed", "noted", "opened", "opened_of", "unreadable", "waiting")

    def __init__(self) -> None:
        self.opened = 0  # deliveries
        self.opened_of: Counter[str] = Counter()  # the same by source
        self.ended = 0
        self.waiting: set[str] = set()  # sinks with rows that no lane was given
        self.freed: set[str] = set()  # sinks where the next of an ordering key came free
        self.noted: dict[str, int] = {}  # the longest lease and delay, where this made them longer
        self.unreadable: list[tuple[int, int, str]] = []  # delivery, token and why, of leases that no lane can be given

    def copy(self) -> Tally:
        """Another that says the same."""
        other = Tally()
        for name in self.__slots__:
            setattr(other, name, copy(getattr(self, name)))
        return other

    def open(self, source: str) -> None:
        """Count a delivery that was opened."""
        self.opened += 1
        self.opened_of[source] += 1


class SettleIn(NamedTuple):
    """A settlement as the columns take it."""

    id: int
    token: FencingToken
    state: DeliveryState
    delay: int
    unburnt: int
    memo: str | None
    reason: DeadReason | None
    note: str | None
    error: str | None
    started: int
    took: int
    outcome: OutcomeName
    status: int | None
    detail: str


class Tallying(Session, Protocol):
    """A session that notes what its transaction did."""

    tally: Tally


class Bulk(Tallying, Protocol):
    """A session of the writer."""

    damaged: set[int]  # deliveries whose event lies on a damaged page, as far as was seen
    groups: Groups  # the gateway's, where the session is its writer's
    one_transaction: bool  # a whole batch is one transaction; else every kind of work has its own

    def insert(self, rows: Sequence[EventIn], owner: str) -> Sequence[Kept | None]:
        """Insert events with their deliveries; None where it was known, or its seal quarantines it. No (source, id) and no bounded seal twice in `rows`."""

    def settle(self, rows: Sequence[SettleIn], *, locked: bool) -> Sequence[bool | None]:
        """Write outcomes; None: an ordered delivery ends, and its key is not locked yet. No delivery twice in `rows`."""

    def lease_due(self, claim: Claim) -> Sequence[Lease]:
        """Lease due rows: ended leases first, then half from rank `first`, half from the other of
        FRESH and AGAIN, and from LAST only what nothing else takes."""


def settle_in(settlement: Settlement) -> SettleIn:
    """The columns of a settlement. What is unbounded or cannot be stored is cut and replaced: a settle is never refused."""
    detail = storable(settlement.detail)
    delivered, state = settlement.outcome is _DELIVERED, settlement.state
    waiting = state == "waiting"
    return SettleIn(  # by position, because by name it takes three times as long
        settlement.delivery,
        settlement.token,
        state,
        max(settlement.delay, 0) if waiting else 0,
        0 if settlement.burnt else 1,
        memo_text(settlement.memo) if waiting else None,
        settlement.reason if state == "dead" else None,
        detail if delivered else None,
        None if delivered else detail,
        settlement.started_at,
        max(settlement.took_ms, 0),
        settlement.outcome._value_,
        settlement.status,
        detail,
    )


def storable(text: str, limit: int = DETAIL_CHARS_MAX) -> str:
    """The text without what a database refuses (NUL, lone surrogates), cut to `limit` characters."""
    if len(text) <= limit and text.isascii() and "\0" not in text:
        return text
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def memo_text(memo: Mapping[str, object] | None) -> str | None:
    """A memo as JSON. What JSON has no word for becomes its text, because a settle is never refused."""
    return json.dumps(dict(memo), default=str, skipkeys=True) if memo else None


class DueRow(NamedTuple):
    """A delivery that may be claimed, as `statements.PROBE_…` and a claim's front give it."""

    id: int
    rank: Rank
    token: FencingToken


class TakenRow(NamedTuple):
    """A delivery that was just leased: what `statements.TAKE` returns."""

    id: int
    event: int
    token: FencingToken
    attempts: int
    round: int
    replay: int
    first_at: int
    stalled: int
    due_at: int
    order_key: str | None
    memo: str | None


class ContentRow(NamedTuple):
    """The event of a delivery: `statements.CONTENT`."""

    body: str
    raw: bytes
    raw_type: str
    variant: bytes
    supersedes: str | None
    trace: str | None
    source: str
    event_id: str


class ClaimedRow(NamedTuple):
    """A leased delivery with its event: the columns of a `TakenRow` and a `ContentRow`, whether its try before was lost, and
    for how many ms its sink stood still up to now."""

    id: int
    event: int
    token: FencingToken
    attempts: int
    round: int
    replay: int
    first_at: int
    stalled: int
    due_at: int
    order_key: str | None
    memo: str | None
    body: str
    raw: bytes
    raw_type: str
    variant: bytes
    supersedes: str | None
    trace: str | None
    source: str
    event_id: str
    lost: bool
    sink_stalled: int


def leases_of(session: Tallying, sink: str, rows: Iterable[ClaimedRow], length: int) -> list[Lease]:
    """Leases of `length` ms.

    A row that cannot be read is set aside: one event must not keep all others of its sink from being claimed.
    """
    leases: list[Lease] = []
    for row in rows:
        try:
            leases.append(_lease(session, sink, row, length))
        except StoreKeyMissing:
            raise  # it can be read as soon as somebody gives the key
        except Exception as error:
            session.tally.unreadable.append((row.id, row.token, f"{type(error).__name__}: {error}"))
    return leases


def _lease(session: Session, sink: str, row: ClaimedRow, length: int) -> Lease:
    body, raw = open_event(session, EventKey(row.source, row.event_id, row.variant), row.body, row.raw)
    memo = decrypt(session, MEMO, (row.id,), row.memo) if row.memo else None
    elapsed = row.due_at - length - row.first_at - (row.sink_stalled - row.stalled)
    return Lease(
        delivery=row.id,
        token=row.token,
        sink=sink,
        event=read_event(body, raw, row.raw_type, row.variant, row.supersedes),
        attempt=row.attempts,
        round=row.round,
        replay=bool(row.replay),
        first_at=row.first_at,
        stalled=row.stalled,
        until=row.due_at,
        elapsed=max(elapsed, 0),
        order_key=row.order_key,
        memo=json.loads(memo) if memo else {},
        lost=row.lost,
        trace=row.trace,
    )


def first_lease(
    delivery: int,
    sink: str,
    event: Event,
    *,
    at: int,
    stalled: int,
    until: int,
    order_key: str | None,
    trace: str | None,
) -> Lease:
    """The lease of a delivery that was made for a lane and handed to it at once, at `at`."""
    return Lease(
        delivery=delivery,
        token=1,
        sink=sink,
        event=event,
        attempt=1,
        round=0,
        replay=False,
        first_at=at,
        stalled=stalled,
        until=until,
        order_key=order_key,
        trace=trace,
    )


def read_event(body: str, raw: bytes, raw_type: str, variant: bytes, supersedes: str | None) -> Event:
    """The event of a stored body. Other content under a known id is written anew, because its JSON names the variant."""
    event = read_compact(body, bytes(raw), raw_type) or from_document(json.loads(body), bytes(raw), raw_type)
    if variant:
        return event.replace(variant=shown_variant(bytes(variant)), supersedes=supersedes or event.supersedes)
    keep_json(event, body)  # because what is sent again should be what was sent before, byte for byte
    return event
