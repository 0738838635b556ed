"""One sink's lane: puts together what claims, holds, carries and probes for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gateway.dispatch.batching import Gathering
from gateway.dispatch.breaker import Breaker
from gateway.dispatch.claimer import Claimer
from gateway.dispatch.deliverer import Deliverer
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.leased_delivery import Dispatch, LeasedDelivery
from gateway.dispatch.policy import DeliveryPolicy, OwnerPolicy
from gateway.dispatch.prober import Prober
from gateway.dispatch.rate_limit import Pace
from gateway.dispatch.slots import Slots, lease_of
from gateway.dispatch.workers import WorkerPool
from gateway.events.private_copy import private_copy
from gateway.plugin import Sink
from gateway.store.records import Gate, Lease

if TYPE_CHECKING:
    from gateway.dispatch.owner_deliverer import OwnerDeliverer

OURS: Final = "plugins.sinks."  # the modules of sinks that change nothing of an event
OPEN_SECONDS_MAX: Final = 60.0  # for a sink to open: a reload waits for it, however long its deliveries may take


class Lane:
    """Takes what is due or handed over, gives it to its workers, and never holds more than twice what they can carry, or what they carry in half a second.

    Everything is called from the event loop.
    """

    def __init__(self, sink: Sink, policy: DeliveryPolicy, shared: Shared) -> None:
        self.sink = sink
        self.policy = policy
        longest = policy.retry.max_retry_after.total_seconds()
        self._activity = shared.metrics.activity
        self._hook = shared.hook
        self._is_strange = not type(sink).__module__.startswith(OURS)
        gauge = shared.metrics.circuit_open.labels(sink.name)
        self.breaker = Breaker(
            sink.name, shared.store, shared.store_clock, shared.rng, gauge, longest, self._report_gate
        )
        timeout = min(policy.timeout.total_seconds(), OPEN_SECONDS_MAX)
        needed = policy.owners is None
        self.prober = Prober(sink, self.breaker, shared, lease=lease_of(policy), timeout=timeout, needed=needed)
        self.workers = WorkerPool(f"lane {sink.name}", policy.concurrency)
        self.slots = Slots(sink, policy, shared, breaker=self.breaker, prober=self.prober, workers=self.workers)
        self.claimer = Claimer(self.slots, self.prober, self.breaker, self.workers, shared)
        self.owners: OwnerDeliverer | None = None
        if policy.owners is None:
            self._deliverer = Deliverer(self.slots, self.prober, self.breaker, self.claimer.ring, shared)
        else:
            from gateway.dispatch.owner_deliverer import OwnerDeliverer  # because only sinks with a directory need it

            paused = shared.metrics.owners_paused.labels(sink.name)
            self._deliverer = self.owners = OwnerDeliverer(
                self.slots, self.prober, self.breaker, self.claimer.ring, shared, policy.owners, paused
            )
        self.workers.serve(self._deliverer.carry, self.slots.next_of, self.slots.may_begin)
        self.slots.freed = self.claimer.freed
        self._asides: set[asyncio.Task[None]] = set()

    def _report_gate(self, gate: Gate) -> None:
        body = {"sink": gate.sink, "paused": gate.paused, "circuit_open": gate.open_until is not None}
        self._activity.publish("sink", body | {"reason": gate.reason}, sink=gate.sink)

    @property
    def occupied(self) -> int:
        """Slots that are taken."""
        return self.slots.occupied

    @property
    def pace(self) -> Pace | None:
        """Its rate."""
        return self.slots.pace

    @property
    def gathering(self) -> Gathering | None:
        """How its batches are gathered."""
        return self.slots.gathering

    @property
    def opened(self) -> asyncio.Event:
        """Its sink was opened, or has failed to."""
        return self.claimer.opened

    # -- life

    def start(self) -> None:
        """Open the sink and begin; returns at once, because a sink that hangs must not delay the others."""
        self.workers.start()
        self.claimer.start()

    async def stop(self, grace: float) -> None:
        """Claim nothing more, give back what has not begun, let the rest end within `grace` seconds, then cut it off."""
        self.slots.stopping = True
        self.slots.put_back()
        await self.claimer.stop()
        for dispatch in await self.workers.drain(grace):
            self._deliverer.abandon(dispatch, "cut off: the gateway stopped and the plugin did not end")
        for task in tuple(self._asides):
            task.cancel()
        if self.owners is not None:
            await self.owners.close()

    def see_owners(self, owners: OwnerPolicy | None) -> None:
        """The table of owners was read again."""
        if self.owners is not None and owners is not None:
            self.owners.see(owners)

    # -- what intake and the poll say

    def reserve(self) -> int | None:
        """The lease (ms) of one fresh delivery if it can be carried at once.

        While rows wait in the store half the slots are theirs, because what is fresh must not starve them.
        """
        return self.slots.reserve(self.slots.threshold if self.claimer.due else self.slots.limit)

    def unreserve(self) -> None:
        """The reservation was not used."""
        if self.slots.unreserve() and self.claimer.due:
            self.claimer.ring()

    def wake(self, *, urgent: bool = False) -> None:
        """A row was left waiting. `urgent`: a batch's window does not hold it back."""
        self.claimer.wake(urgent=urgent)

    def ring(self) -> None:
        """Something changed: think again."""
        self.claimer.ring()

    def hand_over(self, lease: Lease) -> None:
        """A reserved delivery, committed and leased."""
        expires = self.slots.reserved_since() + self.slots.lease / 1000
        if lease.event.extra and (self._is_strange or len(self._hook.deliver.get_hookimpls()) > 1):
            lease = lease.replace(event=private_copy(lease.event))  # other lanes have the same one just now
        self.slots.occupy(Dispatch([LeasedDelivery(lease, expires)], paced=self.slots.pace is not None))

    def note_poll(self, due: int | None, gate: Gate | None, version: int) -> None:
        """What the poll found: the least due time of this sink's rows, and its gate as of `breaker.version`."""
        self.breaker.see(gate, version)
        if self.breaker.shut:
            self.slots.put_back()
        self.claimer.note_due(due)

    def tend(self) -> None:
        """Give up what is stuck, free what nobody has in hand any more, and give back what is too much."""
        for dispatch in self.workers.replace_stuck(self.policy.timeout.total_seconds()):
            failure = self._deliverer.abandon(dispatch, "no answer, and the plugin does not let itself be stopped")
            aside = asyncio.create_task(self._deliverer.report_to_breaker(dispatch, [failure]))
            self._asides.add(aside)
            aside.add_done_callback(self._asides.discard)
        self.slots.free_forgotten()
        self.slots.shed()
