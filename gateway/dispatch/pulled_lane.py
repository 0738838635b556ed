"""The lane of a sink that nobody calls: its deliveries wait in the store until consumers fetch them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from gateway.dispatch.lane import Lane
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.policy import DeliveryPolicy
from gateway.dispatch.pulled_outcomes import PulledOutcomes
from gateway.dispatch.retry import never_ends
from gateway.errors import StoreError
from gateway.plugin import Sink
from gateway.runtime.lean_imports import import_structlog
from gateway.store.records import Gate, Lease, Peeked, Pulled
from gateway.store.store import Store

log = import_structlog().get_logger("gateway.dispatcher")

RATE_WAIT_SECONDS: Final = 1.0  # until the next look, where other gateways have all tokens of the rate


class PulledLane(Lane):
    """Claims nothing and calls nobody. Order, limits, rate, retries and dead letters are those of any lane."""

    def __init__(self, sink: Sink, policy: DeliveryPolicy, shared: Shared) -> None:
        super().__init__(sink, policy, shared)
        self.outcomes = PulledOutcomes(sink, policy, shared)
        self._store: Store = shared.store
        self._clock = shared.clock
        self._store_clock = shared.store_clock
        self._waiters = self.outcomes.waiters
        self._waiting = shared.metrics.pull_waiting.labels(sink.name)
        self._leased = shared.metrics.pull_leased.labels(sink.name)
        self._waiting.set(0)
        self.prober.opened = True  # there is nothing to open

    # -- as the dispatcher sees it

    def start(self) -> None:
        """Nothing runs: consumers come by themselves."""
        self.claimer.opened.set()

    async def stop(self, grace: float) -> None:
        """Send whoever waits home. What is leased stays theirs: another gateway, or the next start, takes their word."""
        self.slots.stopping = True
        self._waiters.close()

    def reserve(self) -> int | None:
        """Never: what is fresh waits in the store."""
        return None

    def wake(self, *, urgent: bool = False) -> None:
        """A row was left waiting."""
        self._waiters.call()

    def ring(self) -> None:
        """There may be more tokens of the rate."""
        self._waiters.call()

    def note_poll(self, due: int | None, gate: Gate | None, version: int) -> None:
        """What the poll found."""
        self.breaker.see(gate, version)
        if due is not None and due <= self._store_clock.ms():
            self._waiters.call()

    def tend(self) -> None:
        """Nothing is in hand here."""

    # -- as consumers see it

    @property
    def usual_lease(self) -> int:
        """How long a lease lasts where nobody says so, in ms."""
        return round(self.policy.timeout.total_seconds() * 1000)

    async def give(self, most: int, lease: int) -> Pulled:
        """Lease what is due for `lease` ms. Raises StoreError.

        Whoever is cancelled meanwhile gets nothing, and what was leased for it goes back untouched.
        """
        if self.slots.stopping:
            return Pulled((), "stopping")
        pace = self.slots.pace
        if pace is not None:
            most = min(most, pace.free(self._clock.monotonic()))
            if most <= 0:
                return Pulled((), "rate")
            pace.set_aside(most)
        claim = self._store.lease_out(self.sink.name, most, lease, self.policy.concurrency)
        given: Pulled | None = None
        try:
            given = await asyncio.shield(claim)
        except asyncio.CancelledError:
            claim.add_done_callback(self._returned)
            raise
        finally:
            if pace is not None:
                for _ in given.leases if given is not None else ():
                    pace.spend(self._clock.monotonic())
                pace.give_back(most - (0 if given is None else len(given.leases)))
        alive = [one for one in given.leases if not self._ends(one, lease)]
        self._leased.inc(len(alive))
        return Pulled(alive, given.why) if alive or not given.leases else Pulled((), "empty")

    async def give_within(self, seconds: float, most: int, lease: int, may: Callable[[], bool]) -> Pulled:
        """The same as soon as there is something, at the latest after `seconds`. `may` is asked before each look."""
        ends = self._clock.monotonic() + seconds
        turn = self._waiters.join()
        self._waiting.inc()
        try:
            while True:
                given = await self.give(most, lease) if may() else Pulled((), "stopping")
                left = ends - self._clock.monotonic()
                if given.leases or given.why == "stopping" or left <= 0:
                    return given
                if not turn.done():
                    await self._waiters.wait(turn, min(left, self._pause(given)))
                if turn.done():
                    self._waiters.leave(turn)
                    turn = self._waiters.join()
        finally:
            self._waiting.dec()
            self._waiters.leave(turn)
            if not self._waiters.closed:
                self._waiters.call()  # because it may have been called, or have left more behind

    def _pause(self, given: Pulled) -> float:
        if given.why != "rate" or self.slots.pace is None:
            return float("inf")
        return self.slots.pace.wait(self._clock.monotonic()) or RATE_WAIT_SECONDS

    async def peek(self, most: int) -> Sequence[Peeked]:
        """What would be given now; nothing changes. Raises StoreError."""
        return await self._store.peek(self.sink.name, most)

    async def give_back(self, leases: Sequence[Lease]) -> None:
        """These were not handed over after all: no attempt is counted. Where the store is away their leases end."""
        if not leases:
            return
        try:
            await self._store.release([(lease.delivery, lease.token) for lease in leases])
        except StoreError as error:
            log.warning("lease_not_returned", sink=self.sink.name, error=str(error))
        self._waiters.call()

    def _returned(self, claim: asyncio.Future[Pulled]) -> None:
        if claim.cancelled() or claim.exception() is not None or not claim.result().leases:
            return
        back = asyncio.ensure_future(self.give_back(claim.result().leases))
        self._asides.add(back)
        back.add_done_callback(self._asides.discard)

    def _ends(self, lease: Lease, length: int) -> bool:
        """Whether this one was lost so often that it is dead; a loss is told either way."""
        if not lease.lost:
            return False
        self.outcomes.report_lost(lease)
        if not never_ends(lease.attempt, lease.elapsed / 1000, self.policy.retry, lost=True):
            return False
        self.outcomes.bury(lease, length)
        return True
