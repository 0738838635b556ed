"""One sink's lane: what it has in hand, from the lease until the outcome is written."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from gateway.config.grammar.settings import DeliverySettings
from gateway.dispatch.attempt import Result
from gateway.dispatch.batching import Gathering, Pace
from gateway.dispatch.breaker import Breaker
from gateway.dispatch.claimer import Claimer
from gateway.dispatch.context import Shared
from gateway.dispatch.deliverer import Carrying
from gateway.dispatch.leased import Unit, Work
from gateway.dispatch.prober import Prober
from gateway.dispatch.workers import Crew
from gateway.plugin import Sink
from gateway.runtime.lean_imports import import_structlog
from gateway.store.records import Gate, Lease

log = import_structlog().get_logger("gateway.dispatcher")

LEASE_SPARE: Final = 30.0  # seconds a lease lasts beyond the timeout


class Lane:
    """Takes what is due or handed over, gives it to its crew, and never holds more than twice what that can carry.

    Everything is called from the event loop. `slots` are the deliveries it may hold; above `threshold` it asks for none.
    """

    def __init__(self, sink: Sink, policy: DeliverySettings, shared: Shared) -> None:
        self.sink = sink
        self.policy = policy
        self._shared = shared
        self._clock = shared.clock
        timeout = policy.timeout.total_seconds()
        self.lease = round((timeout + LEASE_SPARE) * 1000)  # ms
        self.pace = Pace(policy.rate.count, policy.rate.seconds) if policy.rate else None
        self.gathering = Gathering(policy.batch.max, policy.batch.window.total_seconds()) if policy.batch else None
        # with a rate nothing is held beyond what goes out now, because what waits for a token waits in the store
        self.slots = policy.concurrency * (2 if self.pace is None else 1)
        self.threshold = policy.concurrency - (0 if self.pace is None else 1)
        self.hand: dict[int, Work] = {}
        self.alone: set[int] = set()  # deliveries whose last batch failed as a whole: next time each goes for itself
        self._reserved: deque[float] = deque()
        self._asides: set[asyncio.Task[None]] = set()
        self.stopping = False
        self.opened = asyncio.Event()  # its sink was opened, or has failed to
        longest = policy.retry.max_retry_after.total_seconds()
        gauge = shared.metrics.circuit_open.labels(sink.name)
        self.breaker = Breaker(sink.name, shared.store, shared.store_clock, shared.rng, gauge, longest)
        self.prober = Prober(sink, self.breaker, shared, lease=self.lease, timeout=timeout)
        self.crew = Crew(f"lane {sink.name}", policy.concurrency, self._carry)
        self.claimer = Claimer(self, shared)
        self._carrying = Carrying(self, shared)

    @property
    def held(self) -> int:
        """Slots that are taken."""
        return len(self.hand) + len(self._reserved) + self.claimer.asking

    @property
    def may_go(self) -> bool:
        """Whether deliveries may be taken now."""
        return not (self.stopping or self.breaker.shut or not self.prober.opened or self._shared.settler.failing)

    # -- life

    def start(self) -> None:
        """Open the sink and begin; returns at once, because a sink that hangs must not delay the others."""
        self.crew.start()
        self.claimer.start()

    async def stop(self, grace: float) -> None:
        """Claim nothing more, give back what has not begun, let the rest end within `grace` seconds, then cut it off."""
        self.stopping = True
        self.put_back()
        await self.claimer.stop()
        for unit in await self.crew.end(grace):
            self._carrying.abandon(unit, "cut off: the gateway stopped and the plugin did not end")
        for task in tuple(self._asides):
            task.cancel()

    # -- what the door and the poll say

    def reserve(self) -> int | None:
        """The lease (ms) of one fresh delivery if it can be carried at once.

        While rows wait in the store half the slots are theirs, because what is fresh must not starve them.
        """
        if self.gathering is not None or not self.may_go:
            return None
        if self.held >= (self.threshold if self.claimer.due else self.slots):
            return None
        if self.pace is not None:
            if self.pace.free(self._clock.monotonic()) < 1:
                return None
            self.pace.take()
        self._reserved.append(self._clock.monotonic())
        return self.lease

    def unreserve(self) -> None:
        """The reservation was not used."""
        if self._reserved:
            self._reserved.popleft()
            if self.pace is not None:
                self.pace.give_back()
            if self.claimer.due:
                self.claimer.ring()

    def hand_over(self, lease: Lease) -> None:
        """A reserved delivery, committed and leased."""
        since = self._reserved.popleft() if self._reserved else self._clock.monotonic()
        self.take(Unit([Work(lease, since + self.lease / 1000)], paced=self.pace is not None))

    def look(self, due: int | None, gate: Gate | None, version: int) -> None:
        """What the poll found: the least due time of this sink's rows, and its gate as of `breaker.version`."""
        self.breaker.see(gate, version)
        if self.breaker.shut:
            self.put_back()
        for unit in self.crew.give_up(self.policy.timeout.total_seconds()):
            failure = self._carrying.abandon(unit, "no answer, and the plugin does not let itself be stopped")
            aside = asyncio.create_task(self._carrying.heed(unit, [failure]))
            self._asides.add(aside)
            aside.add_done_callback(self._asides.discard)
        self.claimer.look(due)

    # -- taking

    def take(self, unit: Unit, *, token: bool = False) -> None:
        """Carry this unit, with a token of the pace if it has none yet; it goes back where that is not possible."""
        for work in [work for work in unit.works if work.lease.delivery in self.hand]:
            unit.works.remove(work)  # because what this process is carrying must not go out twice at once
            self._shared.settler.give_back(work, 0, self.settled)
        if not unit.works:
            self.untoken(unit)
            return
        for work in unit.works:
            self.hand[work.lease.delivery] = work
        try:
            self._begin(unit, token=token)
        except Exception:
            self._broken(unit)

    def _begin(self, unit: Unit, *, token: bool) -> None:
        if token and self.pace is not None:
            unit.paced = self.pace.free(self._clock.monotonic()) > 0
            if not unit.paced:
                self.give_back(unit)
                return
            self.pace.take()
        if self.shut_for(unit):
            self.give_back(unit)
        else:
            self.crew.add(unit)

    def shut_for(self, unit: Unit) -> bool:
        """Whether this one may not begin now."""
        return self.stopping or self.breaker.gate.paused or (self.breaker.open and unit.probe is None)

    async def open_circuit(self, result: Result) -> None:
        """The target is broken: nothing begins from here on, and what has not begun goes back."""
        written = self.breaker.trip(result)
        self.put_back()
        await written

    async def _carry(self, unit: Unit) -> None:
        try:
            await self._carrying.carry(unit)
        except asyncio.CancelledError:  # before it began, or after it was decided
            self.give_back(unit)
            raise
        except Exception:
            self._broken(unit)

    def _broken(self, unit: Unit) -> None:
        """A mistake of ours must cost one attempt, not the worker and its slot."""
        log.exception("attempt_broken", sink=self.sink.name)
        self.untoken(unit)
        self.prober.dropped(unit)
        for work in unit.works:
            if self.hand.get(work.lease.delivery) is work and not work.decided:
                self.settled(work, False)  # it comes due again when its lease ends

    # -- giving back

    def put_back(self) -> None:
        """Give back everything that was not begun."""
        for unit in self.crew.take_back():
            self.give_back(unit)

    def give_back(self, unit: Unit, delay: int = 0) -> None:
        """Back to the store, unburnt; due after `delay` ms, or when the circuit may close."""
        if self.breaker.open:
            delay = max(round(self.breaker.opens_in() * 1000), delay)
        self.untoken(unit)
        self.prober.dropped(unit)
        for work in unit.works:
            if not work.decided:
                self._shared.settler.give_back(work, delay, self.settled)

    def untoken(self, unit: Unit) -> None:
        """It does not go out now: its token is free again."""
        if unit.paced and self.pace is not None:
            unit.paced = False
            self.pace.give_back()

    def settled(self, work: Work, kept: bool) -> None:
        """Its outcome is written, or its lease was lost: the slot is free."""
        lease = work.lease
        if self.hand.get(lease.delivery) is work:
            del self.hand[lease.delivery]
        if not kept:
            self._shared.metrics.deliveries.labels(self.sink.name, "lost").inc()
            log.warning("lease_lost", sink=self.sink.name, id=lease.event.ref, delivery=lease.delivery)
        if work.again is not None:
            self.claimer.expect(work.again)
        if self.claimer.due or self.gathering is not None:
            self.claimer.ring()
