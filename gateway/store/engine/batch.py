"""What the rules ask of a database many rows at a time; each driver answers in the way that is fast there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from gateway.events.beside import keep_json
from gateway.events.cloudevents import from_document
from gateway.events.compact import read_compact
from gateway.model import Event, Outcome, shown_variant
from gateway.states import DeadReason, DeliveryState
from gateway.store.engine.session import Session
from gateway.store.records import Held, Lease, NewEvent, Settlement

DETAIL_CHARS_MAX = 2000  # characters of a detail that are kept


class EventIn(NamedTuple):
    """One event row to insert, if its (source, id, variant) is free. `forced`: also where it is only
    remembered, or its seal would quarantine it, because that was decided."""

    new: NewEvent
    variant: bytes = b""
    held: Held | None = None
    forced: bool = False


class Kept(NamedTuple):
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

    def open(self, source: str) -> None:
        """Count a delivery that was opened."""
        self.opened += 1
        self.opened_of[source] += 1


class SettleIn(NamedTuple):
    """A settlement as the columns take it."""

    id: int
    token: int
    state: DeliveryState
    delay: int
    unburnt: int
    memo: str | None
    reason: DeadReason | None
    note: str | None
    error: str | None
    started: int
    took: int
    outcome: str
    status: int | None
    detail: str

    @property
    def final(self) -> bool:
        return self.state != "waiting"


class Bulk(Session, Protocol):
    """A session of the writer."""

    tally: Tally
    damaged: set[int]  # deliveries whose event lies on a damaged page, as far as was seen
    one_transaction: bool  # a whole batch is one transaction; else every kind of work has its own

    def insert(self, rows: Sequence[EventIn], owner: str) -> Sequence[Kept | None]:
        """Insert events with their deliveries; None where it was known, or its seal quarantines it. No (source, id) and no bounded seal twice in `rows`."""

    def settle(self, rows: Sequence[SettleIn], *, locked: bool) -> Sequence[bool | None]:
        """Write outcomes; None: an ordered delivery ends, and its key is not locked yet. No delivery twice in `rows`."""

    def lease_due(
        self, sink: str, most: int, lease: int, first: int, running: Collection[int], owner: str
    ) -> Sequence[Lease]:
        """Lease due rows: ended leases first, then half from rank `first`, half from the other of
        FRESH and AGAIN, and from LAST only what nothing else takes."""

    def lock(self, names: Collection[str]) -> None:
        """Inside a transaction: nobody else holds any of these names until its end."""


def settle_in(settlement: Settlement) -> SettleIn:
    """The columns of a settlement. What is unbounded or cannot be stored is cut and replaced: a settle is never refused."""
    detail = storable(settlement.detail)
    delivered = settlement.outcome is Outcome.DELIVERED
    return SettleIn(
        id=settlement.delivery,
        token=settlement.token,
        state=settlement.state,
        delay=max(settlement.delay, 0) if settlement.state == "waiting" else 0,
        unburnt=0 if settlement.burnt else 1,
        memo=memo_text(settlement.memo) if settlement.state == "waiting" else None,
        reason=settlement.reason if settlement.state == "dead" else None,
        note=detail if delivered else None,
        error=None if delivered else detail,
        started=settlement.started_at,
        took=max(settlement.took_ms, 0),
        outcome=settlement.outcome.value,
        status=settlement.status,
        detail=detail,
    )


def storable(text: str, limit: int = DETAIL_CHARS_MAX) -> str:
    """The text without what a database refuses (NUL, lone surrogates), cut to `limit` characters."""
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def memo_text(memo: Mapping[str, Any] | None) -> str | None:
    """A memo as JSON. What JSON has no word for becomes its text, because a settle is never refused."""
    return json.dumps(dict(memo), default=str, skipkeys=True) if memo else None


def make_lease(
    sink: str, event: Event, row: Sequence[Any], *, lost: bool = False, elapsed: int = 0, trace: str | None = None
) -> Lease:
    """A lease from `id, event, token, attempts, round, replay, first_at, stalled, due_at, order_key, memo`."""
    id_, _, token, attempts, round_, replay, first_at, stalled, until, order_key, memo = row[:11]
    return Lease(
        delivery=id_,
        token=token,
        sink=sink,
        event=event,
        attempt=attempts,
        round=round_,
        replay=bool(replay),
        first_at=first_at,
        stalled=stalled,
        until=until,
        elapsed=max(elapsed, 0),
        order_key=order_key,
        memo=json.loads(memo) if memo else {},
        lost=lost,
        trace=trace,
    )


def leases_of(tally: Tally, sink: str, rows: Iterable[Sequence[Any]], length: int) -> list[Lease]:
    """Leases of `length` ms from a lease's columns and `body, raw, raw_type, variant, supersedes, trace, lost, stalled` (the
    sink's, now).

    A row that cannot be read is set aside: one event must not keep all others of its sink from being claimed.
    """
    leases: list[Lease] = []
    for row in rows:
        try:
            elapsed = row[8] - length - row[6] - (row[18] - row[7])
            leases.append(make_lease(sink, read_event(*row[11:16]), row, lost=row[17], elapsed=elapsed, trace=row[16]))
        except Exception as error:
            tally.unreadable.append((row[0], row[2], f"{type(error).__name__}: {error}"))
    return leases


def read_event(body: str, raw: bytes, raw_type: str, variant: bytes, supersedes: str | None) -> Event:
    """The event of a stored body. Other content under a known id is written anew, because its JSON names the variant."""
    event = read_compact(body, bytes(raw), raw_type) or from_document(json.loads(body), bytes(raw), raw_type)
    if variant:
        return event.replace(variant=shown_variant(bytes(variant)), supersedes=supersedes or event.supersedes)
    keep_json(event, body)  # because what is sent again should be what was sent before, byte for byte
    return event
