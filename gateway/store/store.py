"""The store as the rest of the house sees it: futures at the door, plain synchronous transactions inside."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from gateway.clock import Clock
from gateway.store.records import (
    Accepted,
    AttemptRow,
    DeliveryRow,
    Due,
    EventFull,
    EventRow,
    Gate,
    Lease,
    NewEvent,
    Refusal,
    RefusedRow,
    Settlement,
    SinkRow,
    Status,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How long finished events stay, and how much may wait."""

    remember: timedelta = timedelta(days=30)
    delivered: timedelta = timedelta(days=7)
    unrouted: timedelta = timedelta(days=7)
    dead: timedelta = timedelta(days=90)
    refused: int = 200  # the last N of each source
    waiting: int = 1_000_000  # open deliveries; past it: StoreFull
    free_disk: int = 256 * 1024 * 1024  # bytes; SQLite only


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What the writer measured since the last call: for metrics."""

    batches: Sequence[int] = field(default_factory=tuple)  # items per commit
    commit_seconds: Sequence[float] = field(default_factory=tuple)


class Store:
    """The gateway's side of the store: `open` takes the lock and migrates; every write goes through one writer thread.

    Methods that return a Future put an item in the writer's queue at once, in call order, and are resolved after the
    commit that holds it; cancelling the waiter never takes the item out. They raise StoreBusy, StoreFull (accept only)
    at once; the future raises StoreUnavailable or ItemRefused.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str | None = None,
        keep: Keep = Keep(),
        clock: Clock | None = None,
        owner: str | None = None,  # host:pid, for people
        observe: Callable[[int, float], None]
        | None = None,  # items and seconds of each commit; called on the writer's thread
    ) -> None: ...

    async def open(self, *, lock_wait: float = 30.0) -> None:
        """Take the file's lock (SQLite), migrate, end this file's old leases. Raises StoreHeld, SchemaMismatch, StoreUnavailable."""

    async def close(self) -> None:
        """Refuse accepts, drain the queue, checkpoint, close, unlock."""

    # -- the way of an event
    def accept(self, events: Sequence[NewEvent]) -> Future[Sequence[Accepted]]:
        """Store the events of one callback, all or none."""
        raise NotImplementedError

    def claim(
        self, sink: str, most: int, lease: int, *, running: Collection[int] = (), probe: bool = False
    ) -> Future[Sequence[Lease]]:
        """Lease up to `most` due deliveries for `lease` ms: ended leases first, then fresh and again in turn (OUTBOX 5).

        `running` are the deliveries this process has in hand. `probe`: past an open circuit, one: the oldest never
        tried, else the least tried, due or not.
        """
        raise NotImplementedError

    def settle(self, settlements: Sequence[Settlement]) -> Future[Sequence[bool]]:
        """Write outcomes; False where the lease was lost (only the attempt is recorded then)."""
        raise NotImplementedError

    def renew(self, delivery: int, token: int, lease: int) -> Future[bool]:
        """Lengthen a lease before sending; False: lost, do not send."""
        raise NotImplementedError

    def release(self, leases: Sequence[tuple[int, int]], *, delay: int = 0) -> Future[None]:
        """Give back (delivery, token) pairs that were not begun; their attempt is not burnt; due after `delay` ms."""
        raise NotImplementedError

    # -- circuits and pauses
    def trip(self, sink: str, pause: int, reason: str) -> Future[Gate]:
        """Open the circuit for `pause` ms, unless it is open."""
        raise NotImplementedError

    def probe(self, sink: str, lease: int) -> Future[int | None]:
        """Take the right to probe for `lease` ms; the answer is the mark to give to `probed`, None: not now."""
        raise NotImplementedError

    def probed(self, sink: str, mark: int, *, good: bool, pause: int = 0, reason: str = "") -> Future[None]:
        """Close the circuit, or keep it open `pause` ms more."""
        raise NotImplementedError

    def gates(self) -> Future[Mapping[str, Gate]]:
        """The gate of every sink that has a row; also notes which sinks this process serves (`serving`)."""
        raise NotImplementedError

    def serving(self, sinks: Collection[str]) -> Future[None]:
        """Say which sinks this process carries. Called at start and about once a minute. Time in which nobody said so
        (gateway down, sink not configured) counts as stalled: give_up_after stands still."""
        raise NotImplementedError

    def due(self) -> Future[Sequence[Due]]:
        """The least due time of every sink, an index probe each, read by the reader's connection; for the 1 s poll."""
        raise NotImplementedError

    def listen(self, wake: Callable[[str], None]) -> None:
        """Call `wake(sink)` in the loop when another gateway or the command line left rows to claim (PostgreSQL: LISTEN;
        SQLite: `PRAGMA data_version`, looked at on the reader's thread about 4 times a second)."""

    # -- the rest
    def refuse(self, refusal: Refusal) -> None:
        """Keep a refused callback, after everything else in the queue; dropped silently when the queue is long."""

    async def sweep(self) -> int:
        """One pass of retention in small batches; the number of events deleted."""
        raise NotImplementedError

    def healthy(self) -> bool:
        """Whether the writer's last commit worked. Never blocks."""
        raise NotImplementedError

    async def ping(self) -> None:
        """Commit something small through the writer. Raises StoreUnavailable. For readiness, at most once in 5 s."""

    async def sinks(self) -> Sequence[SinkRow]:
        """Counts by sink for metrics: bounded work, see OUTBOX 5 (no full count)."""
        raise NotImplementedError


class Desk:
    """The people's side: what the command line (and later the admin API) reads and changes beside a running gateway.

    Opens its own short-lived connection, takes no lock, never checkpoints, never migrates (except `migrate`).
    Synchronous; one short transaction a call. `configured` are the sinks of the configuration, for `held: orphaned`;
    `rated` and `batched` those with delivery.rate / delivery.batch, for `held: rate|batch`.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str | None = None,
        clock: Clock | None = None,
        configured: Collection[str] = (),
        rated: Collection[str] = (),
        batched: Collection[str] = (),
    ) -> None: ...

    def __enter__(self) -> Desk:
        return self

    def __exit__(self, *exc: object) -> None: ...

    # -- reading: newest first; `before` is the last key of the previous page; limit <= 200 a page
    def events(
        self,
        *,
        held: bool = False,
        source: str | None = None,
        type: str | None = None,  # glob
        subject: str | None = None,  # glob
        limit: int = 50,
        before: int | None = None,
    ) -> Sequence[EventRow]:
        raise NotImplementedError

    def event(self, ref: str) -> EventFull:
        """By id, unique prefix of at least 6 digits, or `id~variant`. Raises NotFound, naming near misses."""
        raise NotImplementedError

    def deliveries(
        self,
        *,
        event: str | None = None,
        sink: str | None = None,
        state: str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> Sequence[DeliveryRow]:
        raise NotImplementedError

    def delivery(self, id: int) -> tuple[DeliveryRow, Sequence[AttemptRow]]:
        raise NotImplementedError

    def refused(self, *, source: str | None = None, limit: int = 50, before: int | None = None) -> Sequence[RefusedRow]:
        raise NotImplementedError

    def refusal(self, id: int) -> RefusedRow:
        raise NotImplementedError

    def sinks(self) -> Sequence[SinkRow]:
        raise NotImplementedError

    def status(self) -> Status:
        raise NotImplementedError

    # -- changing
    def retry(self, delivery: int) -> str:
        """Start a new round of a dead or delivered one, or make a waiting one due now; says what was done (OUTBOX 2)."""
        raise NotImplementedError

    def cancel(self, delivery: int) -> str:
        raise NotImplementedError

    def move(self, sink: str, to: str) -> int:
        """Give the waiting deliveries of one sink to another; those that have one there already are cancelled."""
        raise NotImplementedError

    def replay(
        self, ref: str, *, sinks: Sequence[str] | None = None, routing: str | None = None
    ) -> Sequence[DeliveryRow]:
        """A new round of this event's deliveries: to `sinks`, else to those of the first time. With `routing`, store the
        new verdict (reroute). Open deliveries are left alone."""
        raise NotImplementedError

    def release(self, ref: str, sinks: Sequence[str]) -> Sequence[DeliveryRow]:
        """End the hold of a conflicting or quarantined event and give it its deliveries."""
        raise NotImplementedError

    def erase(self, ref: str) -> None:
        """Cancel open deliveries and delete the event with everything that was kept of it; its id stays remembered."""
        raise NotImplementedError

    def pause(self, sink: str, by: str) -> bool:
        raise NotImplementedError

    def resume(self, sink: str) -> bool:
        raise NotImplementedError

    def forget_refusal(self, id: int) -> None:
        raise NotImplementedError

    def take(self, events: Sequence[NewEvent]) -> Sequence[Accepted]:
        """Accept beside the running gateway, for `refused retry`; its lanes find the rows within a second."""
        raise NotImplementedError

    def migrate(self) -> tuple[int, int]:
        """Bring the tables to this program's schema: (from, to)."""
        raise NotImplementedError
