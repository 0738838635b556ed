"""The store as the rest of the house sees it: futures outside, plain synchronous transactions inside."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from asyncio import Future
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

import structlog
from msgspec import to_builtins

from gateway.errors import ItemRefused, StoreFull, StoreUnavailable
from gateway.model import Progress
from gateway.runtime.clock import Clock
from gateway.store.admin import audit
from gateway.store.admin.audit import AuditEntry
from gateway.store.engine.backend import Backend, backend_of
from gateway.store.engine.batch import Bulk, Tally, memo_text
from gateway.store.engine.patience import NotYet, awaited
from gateway.store.engine.session import Session
from gateway.store.engine.write_queue import Kind
from gateway.store.engine.writer import Writer
from gateway.store.outbox import activity, alarms, counts, gates, losses, rates, refused, retention
from gateway.store.outbox import settle as settling
from gateway.store.outbox.accept import accept, try_accept
from gateway.store.outbox.claim import end_unreadable, probe_claim
from gateway.store.outbox.clock_repair import Spans
from gateway.store.outbox.clock_steps import ClockSteps
from gateway.store.outbox.conditions import AlarmDue, Announced, Seen
from gateway.store.outbox.limits import StoreLimits
from gateway.store.outbox.rates import RateUse
from gateway.store.outbox.retention import Keep
from gateway.store.outbox.settle_with import settle_with
from gateway.store.records import Accepted, Due, Gate, Heard, Lease, NewEvent, Refusal, Settled, Settlement, SinkRow
from gateway.text.store_address import parse_address

__all__ = ["Keep", "Store"]

CLAIM_ROWS_MAX: Final = 100  # rows of one claim
SHORT_LEAPS_MAX: Final = 256  # over one row each that cannot be read; then each twice as long
LEAPS_MAX: Final = SHORT_LEAPS_MAX + 20
REPAIR_INTERVAL_SECONDS: Final = 3600.0  # seconds between two looks for rows that a clock jump put too far ahead

T = TypeVar("T")
log = structlog.get_logger("gateway.store")


class Store:
    """The gateway's side of the store: `open` takes the lock and migrates; every write goes through one writer thread.

    Methods that return a Future put an item in the writer's queue at once, in call order, and are resolved after the
    commit that holds it; cancelling the waiter never takes the item out. They raise StoreBusy, StoreFull (accept only)
    at once; the future raises StoreUnavailable or ItemRefused. After `close` everything raises StoreUnavailable.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str | None = None,
        keep: Keep = Keep(),  # noqa: B008  frozen
        clock: Clock | None = None,
        owner: str | None = None,  # host:pid, for people
        observe: Callable[[int, float], None]
        | None = None,  # items and seconds of each commit; called on the writer's thread
    ) -> None:
        self._keep = keep
        self._owner = owner or f"{socket.gethostname()}:{os.getpid()}"
        self._clock = clock or Clock()
        self._backend: Backend = backend_of(parse_address(url, password), self._clock)
        self._limits = StoreLimits(keep, self._backend.folder)
        self._spans = Spans()
        self._steps = ClockSteps(self._clock.monotonic)
        self._leads: dict[str, int] = {}  # sink -> which of lanes 0 and 1 leads its next claim
        self._wake: Callable[[str], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._repair_at = self._beat_at = 0.0
        self._news = Tally()
        self._sweeping = asyncio.Lock()
        self._recounting: asyncio.Task[None] | None = None
        self._writer = Writer(
            self._backend.connect,
            self._many,
            before=self._steps.correct,
            tick=self._tick,
            counted=self._counted,
            after=self._after,
            farewell=self._backend.farewell,
            observe=observe or (lambda _items, _seconds: None),
        )

    # -- life

    async def open(self, *, lock_wait: float = 30.0) -> None:
        """Take the file's lock (SQLite), migrate, end this file's old leases. Raises StoreHeld, SchemaMismatch, StoreUnavailable."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        await self._backend.acquire(lock_wait)
        try:
            session = await awaited(lambda: loop.run_in_executor(None, self._begin))
        except BaseException:
            self._backend.free()
            raise
        self._writer.start(session)
        self._backend.start()

    def _begin(self) -> Bulk:
        session = self._backend.prepare()
        try:
            with session.atomic():
                self._spans.repair(session, alone=self._backend.alone)
                if self._backend.alone:
                    losses.count_all(session, self._owner)
                else:
                    losses.beat(session, self._owner)
            self._count(session)
        except Exception as error:
            kind = NotYet if session.passes(error) else StoreUnavailable
            text = session.explain(error)
            session.close()
            raise kind(f"{self._backend.address.shown} cannot be used: {text}") from None
        self._repair_at = time.monotonic() + REPAIR_INTERVAL_SECONDS
        return session

    async def close(self) -> None:
        """Refuse accepts, drain the queue, checkpoint, close, unlock."""
        await self._backend.stop_listening()
        await self._writer.close()
        await self._backend.close()

    # -- the way of an event

    def accept(self, events: Sequence[NewEvent]) -> Future[Sequence[Accepted]]:
        """Store the events of one callback, all or none. Raises StoreBusy, StoreFull."""
        self._limits.check({new.event.source for new in events})
        self._count_if_tight()
        size = 512
        for new in events:
            size += len(new.body) + len(new.event.raw) + len(new.routing)
        return self._writer.put(Kind.ACCEPT, events, size)

    def claim(
        self, sink: str, most: int, lease: int, *, running: Collection[int] = (), probe: bool = False
    ) -> Future[Sequence[Lease]]:
        """Lease up to `most` due deliveries for `lease` ms: ended leases first, then fresh and again in turn.

        `running` are the deliveries this process has in hand. `probe`: past an open circuit, one: the oldest never
        tried, else the least tried, due or not.
        """
        running = tuple(running)

        def work(session: Bulk) -> Sequence[Lease]:
            self._spans.note(session, "lease", lease)
            if not self._backend.alone:
                losses.count(session, sink, self._owner)
            if probe:
                leases = probe_claim(session, sink, lease, running, self._owner)
            else:
                first = self._leads.get(sink, 0)
                self._leads[sink] = 1 - first
                leases = session.lease_due(sink, min(most, CLAIM_ROWS_MAX), lease, first, running, self._owner)
                if leases and self._steps.suspects(leases[0].until - lease):
                    step = max(self._steps.correct(session), 0)  # no delivery grows old by it
                    leases = [one.replace(elapsed=max(one.elapsed - step, 0)) for one in leases]
            end_unreadable(session)
            if any(one.attempt > 1 for one in leases):
                known = losses.of_sink(session, sink)
                leases = [_with_losses(one, known) for one in leases] if known else leases
            return leases

        return self._writer.put(Kind.CALL, work)

    def settle(self, settlements: Sequence[Settlement]) -> Future[Sequence[bool]]:
        """Write outcomes; False where the lease was lost (only the attempt is recorded then)."""
        return self._writer.put(Kind.SETTLE, tuple(settlements), 256 * len(settlements))

    def settle_with(self, settlement: Settlement, events: Sequence[NewEvent]) -> Future[Settled]:
        """Write one outcome together with the events that follow on it; none of them where the lease was lost.

        `store.limits` do not hold them up: what made them is done already.
        """

        def work(session: Bulk) -> Settled:
            self._spans.note(session, "delay", settlement.delay)
            return settle_with(session, settlement, events, self._owner)

        return self._writer.put(Kind.CALL, work, 256 + sum(len(new.body) for new in events))

    def keep_alive(
        self, delivery: int, token: int, lease: int, memo: Mapping[str, Any] | None, progress: Progress | None
    ) -> Future[bool]:
        """A long delivery gets on: lengthen its lease to `lease` ms from now, and keep what is not None; False: the lease was lost.

        A memo that was kept is progress: what the delivery was in flight of before counts no longer as its loss.
        """

        def work(session: Bulk) -> bool:
            self._spans.note(session, "lease", lease)
            said = None if progress is None else json.dumps(to_builtins(progress))
            kept_memo = None if memo is None else memo_text(memo) or "{}"
            with session.atomic():
                kept = settling.keep_alive(session, delivery, token, lease, kept_memo, said)
                if kept and memo is not None:
                    losses.progressed(session, delivery)
                return kept

        return self._writer.put(Kind.CALL, work)

    def renew(self, delivery: int, token: int, lease: int) -> Future[bool]:
        """Lengthen a lease before sending; False: lost, do not send."""

        def work(session: Bulk) -> bool:
            self._spans.note(session, "lease", lease)
            return settling.renew(session, delivery, token, lease)

        return self._writer.put(Kind.CALL, work)

    def release(self, leases: Sequence[tuple[int, int]], *, delay: int = 0) -> Future[None]:
        """Give back (delivery, token) pairs that were not begun; their attempt is not burnt; due after `delay` ms."""
        leases = tuple(leases)

        def work(session: Bulk) -> None:
            self._spans.note(session, "delay", delay)
            settling.release(session, leases, delay)

        return self._writer.put(Kind.CALL, work)

    def divide(self, sources: Collection[str]) -> None:
        """Name the sources that share `store.limits.waiting`; of n each keeps 1/(2n) that no other can fill."""
        self._limits.divide(sources)

    # -- what was in flight when a process died

    def alone(self, delivery: int, token: int, alone: bool) -> Future[bool]:
        """Note that nothing else is in flight here, or no longer; False: its lease was lost, do not send."""
        return self._writer.put(Kind.CALL, lambda session: losses.set_alone(session, delivery, token, alone))

    def survived(self, deliveries: Collection[int]) -> Future[None]:
        """A try of these came to its end, so that they are not what the process died of."""
        these = tuple(deliveries)
        return self._writer.put(Kind.CALL, lambda session: losses.survived(session, these))

    def disown(self) -> Future[None]:
        """This process stops in good order: what it leaves in flight is no loss."""

        def work(session: Bulk) -> None:
            self._beat_at = float("inf")  # because one more sign of life would name a gateway that is gone
            losses.disown(session, self._owner)

        return self._writer.put(Kind.CALL, work)

    # -- circuits and pauses

    def trip(self, sink: str, pause: int, reason: str) -> Future[Gate]:
        """Open the circuit for `pause` ms, unless it is open."""
        return self._writer.put(Kind.CALL, lambda session: gates.trip(session, sink, pause, reason))

    def probe(self, sink: str, lease: int) -> Future[int | None]:
        """Take the right to probe for `lease` ms; the answer is the mark to give to `probed`, None: not now."""
        return self._writer.put(Kind.CALL, lambda session: gates.probe(session, sink, lease))

    def probed(self, sink: str, mark: int, *, good: bool, pause: int = 0, reason: str = "") -> Future[None]:
        """Close the circuit, or keep it open `pause` ms more."""
        return self._writer.put(Kind.CALL, lambda session: gates.probed(session, sink, mark, good, pause, reason))

    def gates(self) -> Future[Mapping[str, Gate]]:
        """The gate of every sink that has a row."""
        return self._backend.reader.ask(gates.all_gates)

    def serving(self, sinks: Collection[str]) -> Future[None]:
        """Say which sinks this process carries. Called at start and about once a minute. Time in which nobody said so
        (gateway down, sink not configured) counts as stalled: give_up_after stands still."""
        names = tuple(sinks)
        return self._writer.put(Kind.CALL, lambda session: gates.serving(session, names))

    @property
    def shared(self) -> bool:
        """Whether other gateways may carry deliveries of this store."""
        return not self._backend.alone

    def share_rates(self, uses: Sequence[RateUse]) -> Future[Mapping[str, int]]:
        """The tokens of each sink's rate that are this gateway's for the next ten seconds."""
        return self._writer.put(Kind.CALL, lambda session: rates.share(session, uses, self._owner))

    def leave_rates(self, uses: Sequence[RateUse]) -> Future[None]:
        """This gateway sends nothing more: its shares are the others'."""
        return self._writer.put(Kind.CALL, lambda session: rates.leave(session, uses, self._owner))

    def due(self) -> Future[Sequence[Due]]:
        """The least due time of every sink, an index probe each, read by the reader's connection; for the 1 s poll."""
        return self._backend.reader.ask(counts.due)

    def listen(self, wake: Callable[[str], None]) -> None:
        """Call `wake(sink)` in the loop when another gateway or the command line left rows to claim (PostgreSQL: LISTEN;
        SQLite: `PRAGMA data_version`, looked at about 4 times a second), or the next of an ordering key came free."""
        self._wake = wake
        self._backend.listen(self._owner, wake, self._wake_sink)

    # -- what the gateway says of itself

    def begin_alarms(self) -> Future[None]:
        """From now on what happens is told; what happened before is not."""
        return self._writer.put(Kind.CALL, alarms.begin)

    def survey_alarms(self, seen: Sequence[Seen], every: int) -> Future[tuple[bool, Sequence[AlarmDue]]]:
        """Whether `announce` has something to do, and what is due; `every` ms lie between two alarms of a type."""
        return self._backend.reader.ask(lambda session: alarms.survey(session, seen, every))

    def announce(
        self, seen: Sequence[Seen], every: int, make: Callable[[AlarmDue], NewEvent]
    ) -> Future[Sequence[Announced]]:
        """Store the alarms that are due, each once for all gateways. Exempt from `store.limits`: they say that these are
        reached. `make` is called on the writer's thread."""
        work = partial(alarms.announce, seen=tuple(seen), every=every, make=make, owner=self._owner)
        return self._writer.put(Kind.CALL, work)

    def limit_used(self) -> tuple[float, str]:
        """Which part of the nearest of `store.limits` is used, and how people call it. Never blocks."""
        return self._limits.used()

    # -- the rest

    def keep_refusal(self, refusal: Refusal) -> None:
        """Keep a refused callback, after everything else in the queue; dropped silently when the queue is long."""
        if self._keep.refused > 0:
            self._writer.put_refusal(lambda session: refused.keep_refusal(session, refusal, self._keep.refused))

    def heard(self, rows: Sequence[Heard]) -> Future[None]:
        """Keep when sources were last heard of; never on a callback's way."""
        return self._writer.put(Kind.CALL, lambda session: activity.heard(session, rows))

    def write(self, work: Callable[[Bulk], T]) -> Future[T]:
        """Do something small of the admin side in the writer's turn."""
        return self._writer.put(Kind.CALL, work)

    def ask(self, question: Callable[[Session], T]) -> Future[T]:
        """Read something small of the admin side."""
        return self._backend.reader.ask(question)

    @property
    def owner(self) -> str:
        """This process's name in leases."""
        return self._owner

    def audit(self, entry: AuditEntry, done: int, result: str) -> Future[int]:
        """Write down an act that changes nothing here."""
        return self._writer.put(Kind.CALL, lambda session: audit.begin(session, entry, done, result))

    async def sweep(self) -> int:
        """One pass of retention in small batches; the number of events deleted. Once an hour also the repair of rows
        that a jump of the clock put too far ahead. Raises StoreUnavailable."""
        async with self._sweeping:  # two passes at once would only do the same work twice
            if time.monotonic() >= self._repair_at:
                await self._writer.put_background(lambda session: self._spans.repair(session, alone=False))
                self._repair_at = time.monotonic() + REPAIR_INTERVAL_SECONDS
            await self._recount()
            return await self._sweep()

    async def _sweep(self) -> int:
        after: int | None = 0
        deleted = 0
        most = self._backend.sweep_rows
        alone = leaps = 0  # so many events are looked at one by one, because one of them lies on a damaged page
        while after is not None:
            look = partial(retention.sweep_step, keep=self._keep, after=after, most=1 if alone else most)
            try:
                step = await self._backend.background(self._writer, look)
            except ItemRefused as error:
                if not alone:
                    alone = most
                elif leaps == LEAPS_MAX:
                    break
                else:
                    if not leaps:
                        log.error("stored_events_damaged", after=after, error=str(error))
                    after += 1 << max(leaps - SHORT_LEAPS_MAX, 0)  # nobody can say where the damage ends
                    leaps += 1
                continue
            alone, leaps = max(alone - 1, 0), 0
            after = step.after
            deleted += step.deleted
        while await self._backend.background(
            self._writer, lambda session: retention.forget_step(session, self._keep, most)
        ):
            pass
        return deleted

    def _count_if_tight(self) -> None:
        due = self._limits.tight and self._limits.count_at <= time.monotonic()
        if due and (self._recounting is None or self._recounting.done()):
            self._recounting = asyncio.create_task(self._recount_quietly(), name="count by source")

    async def _recount_quietly(self) -> None:
        with suppress(StoreUnavailable):
            await self._recount()

    async def _recount(self) -> None:
        if time.monotonic() >= self._limits.count_at:
            await self._backend.reader.ask(self._count)

    def healthy(self) -> bool:
        """Whether the writer's last commit worked. Never blocks."""
        return self._writer.healthy

    def full(self) -> bool:
        """Whether accepts are refused because a limit is passed. Never blocks."""
        try:
            self._limits.check()
        except StoreFull:
            return True
        return False

    async def ping(self) -> None:
        """Commit something small through the writer; after an accept failed, try also what an accept does.

        Raises StoreUnavailable. For readiness, at most once in 5 s.
        """
        trying = self._writer.refusing
        await self._writer.put(Kind.CALL, partial(_ping, trying=trying))
        if trying:
            self._writer.accepts_again()

    def busy(self) -> bool:
        """Whether accepts are refused because too many writes wait. Never blocks."""
        return self._writer.busy

    async def sinks(self) -> Sequence[SinkRow]:
        """Counts by sink for metrics, to 10,001 a lane. Raises StoreUnavailable."""
        await self._recount()
        return await self._backend.reader.ask(counts.sinks)

    # -- on the writer's thread

    def _many(self, session: Bulk, kind: Kind, work: Sequence[Any]) -> Sequence[Any]:
        if kind is Kind.ACCEPT:
            for callback in work:
                for new in callback:
                    for delivery in new.deliveries:
                        if delivery.lease is not None:
                            self._spans.note(session, "lease", delivery.lease)
            return accept(session, work, self._owner)
        for group in work:
            for one in group:
                self._spans.note(session, "delay", one.delay)
        return settling.settle(session, work)

    def _counted(self, tally: Tally) -> None:
        self._limits.add(tally.opened - tally.ended, tally.opened_of)
        self._spans.keep(tally.noted)
        self._news.freed |= tally.freed
        self._news.waiting |= tally.waiting

    def _after(self, session: Bulk) -> None:
        """When the waiters were answered: wake the lanes whose key came free, tell other gateways what waits."""
        freed, waiting = self._news.freed, self._news.waiting
        if freed or waiting:
            self._news = Tally()
            for sink in freed:
                self._wake_sink(sink)
            self._backend.notify(session, freed | waiting)

    def _wake_sink(self, sink: str) -> None:
        if self._wake is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, sink)

    def _tick(self, session: Bulk) -> None:
        self._backend.poll(session)
        self._steps.correct(session)
        if not self._backend.alone and time.monotonic() >= self._beat_at:
            self._beat_at = time.monotonic() + losses.BEAT_SECONDS
            losses.beat(session, self._owner)

    def _count(self, session: Session) -> None:
        started = time.perf_counter()
        self._limits.counting()
        found = counts.open_deliveries(session, self._keep.waiting)
        of = counts.open_by_source(session, self._keep.waiting) if self._limits.would_be_tight(found) else None
        self._limits.counted(found, time.perf_counter() - started, of)


def _ping(session: Bulk, *, trying: bool) -> None:
    if trying:
        with session.atomic():
            try_accept(session)
    session.change(
        "INSERT INTO meta (name, value) VALUES ('pinged_at', CAST(:now AS text)) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
    )


def _with_losses(lease: Lease, known: Mapping[int, tuple[int, int]]) -> Lease:
    if lease.delivery not in known:
        return lease
    count, lone = known[lease.delivery]
    return lease.replace(losses=count, lone_losses=lone)
