"""The store as the rest of the house sees it: futures outside, plain synchronous transactions inside."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from asyncio import Future
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Final, TypeVar

from gateway.errors import StoreFull, StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog
from gateway.store.admin import audit
from gateway.store.admin.audit import AuditEntry
from gateway.store.admin.shown_rows import SinkRow
from gateway.store.engine.backend import Backend, backend_of
from gateway.store.engine.batch import Bulk, Tally
from gateway.store.engine.cipher import Cipher
from gateway.store.engine.patience import NotYet, awaited
from gateway.store.engine.reruns import rerun
from gateway.store.engine.session import Session
from gateway.store.engine.sweep import reencrypt, sweep
from gateway.store.engine.writer import Writer
from gateway.store.incoming_rows import IncomingRows
from gateway.store.leased_rows import LeasedRows
from gateway.store.outbox import activity, counts, losses, refused
from gateway.store.outbox import settle as settling
from gateway.store.outbox.accept import accept, ping
from gateway.store.outbox.clock_repair import Spans
from gateway.store.outbox.clock_steps import ClockSteps
from gateway.store.outbox.limits import StoreLimits
from gateway.store.outbox.retention import Keep
from gateway.store.pulled_rows import PulledRows
from gateway.store.records import Accepted, Heard, NewEvent, Refusal, Settlement
from gateway.store.shared_state import SharedState
from gateway.text.store_address import parse_address

__all__ = ["Keep", "Store"]


BEAT_LATE_SECONDS: Final = 1.0  # seconds by which the writer's sign of life may be late before the reader gives it

T = TypeVar("T")
log = import_structlog().get_logger("gateway.store")


class Store(SharedState, IncomingRows, LeasedRows, PulledRows):
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
        cipher: Cipher | None = None,  # None: everything is stored in plain
        keep: Keep = Keep(),  # noqa: B008  frozen
        clock: Clock | None = None,
        owner: str | None = None,  # host:pid, for people
        observe: Callable[[int, float], None]
        | None = None,  # items and seconds of each commit; called on the writer's thread
    ) -> None:
        self._keep = keep
        self._owner = owner or f"{socket.gethostname()}:{os.getpid()}"
        self._clock = clock or Clock()
        self._backend: Backend = backend_of(parse_address(url, password), self._clock, cipher)
        self._encrypted = cipher is not None
        self._limits = StoreLimits(keep, self._backend.folder)
        self._spans = Spans()
        self._steps = ClockSteps(self._clock.monotonic)
        self._leads: dict[str, int] = {}  # sink -> which of lanes 0 and 1 leads its next claim
        self._wake: Callable[[str], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beat_at = 0.0
        self._news = Tally()
        self._sweeping = asyncio.Lock()
        self._recounting: asyncio.Task[None] | None = None
        self._writer = Writer(
            self._backend.connect,
            self._accept_many,
            self._settle_many,
            before=self._steps.correct,
            tick=self._tick,
            counted=self._counted,
            after=self._after,
            farewell=self._backend.farewell,
            observe=observe or (lambda _items, _seconds: None),
        )

    # -- life

    async def open(self, *, lock_wait: float = 30.0) -> None:
        """Take the file's lock (SQLite), migrate, end this file's old leases. Raises StoreInUse, SchemaMismatch, StoreUnavailable."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        await self._backend.acquire(lock_wait)
        try:
            session = await awaited(lambda: loop.run_in_executor(None, self._prepared))
        except BaseException:
            self._backend.free()
            raise
        self._writer.start(session)
        self._backend.start()

    def _prepared(self) -> Bulk:
        session = self._backend.prepare()
        try:
            rerun(session, partial(self._take_over, session))
            self._count(session)
        except Exception as error:
            kind = NotYet if session.passes(error) else StoreUnavailable
            text = session.explain(error)
            session.close()
            raise kind(f"{self._backend.address.shown} cannot be used: {text}") from None
        return session

    def _take_over(self, session: Bulk) -> None:
        with session.atomic():
            self._spans.repair(session, alone=self._backend.alone)
            if self._backend.alone:
                losses.count_all(session, self._owner)
            else:
                losses.beat(session, self._owner)

    async def close(self) -> None:
        """Refuse accepts, drain the queue, checkpoint, close, unlock."""
        await self._backend.stop_listening()
        await self._writer.close()
        await self._backend.close()

    # -- the way of an event

    def settle(self, settlements: Sequence[Settlement]) -> Future[Sequence[bool]]:
        """Write outcomes; False where the lease was lost (only the attempt is recorded then)."""
        return self._writer.enqueue_settles(tuple(settlements))

    def divide(self, sources: Collection[str]) -> None:
        """Name the sources that share `store.limits.waiting`; of n each keeps 1/(2n) that no other can fill."""
        self._limits.divide(sources)

    def listen(self, wake: Callable[[str], None]) -> None:
        """Call `wake(sink)` in the loop when another gateway or the command line left rows to claim (PostgreSQL: LISTEN;
        SQLite: `PRAGMA data_version`, looked at about 4 times a second), or the next of an ordering key came free."""
        self._wake = wake
        self._backend.listen(self._owner, wake, self._wake_sink)

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
        return self._writer.enqueue(lambda session: activity.heard(session, rows))

    def write(self, work: Callable[[Bulk], T]) -> Future[T]:
        """Do something small of the admin side in the writer's turn."""
        return self._writer.enqueue(work)

    def ask(self, question: Callable[[Session], T]) -> Future[T]:
        """Read something small of the admin side."""
        return self._backend.reader.ask(question)

    @property
    def owner(self) -> str:
        """This process's name in leases."""
        return self._owner

    def audit(self, entry: AuditEntry, done: int, result: str) -> Future[int]:
        """Write down an act that changes nothing here."""
        return self._writer.enqueue(lambda session: audit.begin_act(session, entry, done, result))

    async def sweep(self) -> int:
        """One pass of retention in small batches; the number of events deleted. Raises StoreUnavailable."""
        async with self._sweeping:  # two passes at once would only do the same work twice
            await self._recount_quietly()
            return await sweep(self._backend, self._writer, self._keep)

    async def repair_clocks(self) -> None:
        """Pull back, in small batches, what a jump of the clock put too far ahead. Raises StoreUnavailable."""
        step = partial(self._spans.repair_step, most=self._backend.step_rows)
        while await self._backend.background(self._writer, step):
            pass

    async def beat(self) -> None:
        """Say that this gateway lives where its writer is late with that: a slow batch must not make it look dead to others.
        Raises StoreUnavailable."""
        now = time.monotonic()
        if self._backend.alone or now < self._beat_at + BEAT_LATE_SECONDS:
            return
        self._beat_at = now + losses.BEAT_SECONDS
        await self._backend.reader.ask(lambda session: losses.beat(session, self._owner))

    @property
    def encrypted(self) -> bool:
        """Whether there is a key to encrypt with."""
        return self._encrypted

    async def reencrypt(self) -> None:
        """Go on with a change of the key, for a while and in small batches. Raises StoreUnavailable, StoreKeyMissing."""
        await reencrypt(self._backend, self._writer)

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
        await self._writer.enqueue(partial(ping, trying=trying))
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

    def _accept_many(self, session: Bulk, callbacks: Sequence[Sequence[NewEvent]]) -> Sequence[Sequence[Accepted]]:
        for callback in callbacks:
            for new in callback:
                for delivery in new.deliveries:
                    if delivery.lease is not None:
                        self._spans.note(session, "lease", delivery.lease)
        return accept(session, callbacks, self._owner)

    def _settle_many(self, session: Bulk, groups: Sequence[Sequence[Settlement]]) -> Sequence[Sequence[bool]]:
        self._spans.note(session, "delay", max([one.delay for group in groups for one in group], default=0))
        return settling.settle(session, groups)

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
        self._backend.prepare_next(session, self._writer)

    def _wake_sink(self, sink: str) -> None:
        if self._wake is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, sink)

    def _tick(self, session: Bulk) -> None:
        self._backend.poll(session)
        self._steps.correct(session)
        if not self._backend.alone and time.monotonic() >= self._beat_at:
            self._beat_at = time.monotonic() + losses.BEAT_SECONDS
            losses.beat(session, self._owner)
