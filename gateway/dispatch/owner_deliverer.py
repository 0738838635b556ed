"""The way of a delivery whose target is its owner's: whose it is, whether something may go to him now, and what came of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.dispatch.attempt import AttemptResult, Nonsense
from gateway.dispatch.breaker import Breaker
from gateway.dispatch.deliverer import Deliverer
from gateway.dispatch.heartbeat import HandedOver
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.leased_delivery import Dispatch, LeasedDelivery
from gateway.dispatch.outcome import describe
from gateway.dispatch.owner_states import OwnerStates
from gateway.dispatch.owner_targets import OwnerTargets
from gateway.dispatch.policy import OwnerPolicy
from gateway.dispatch.prober import Prober
from gateway.dispatch.retry import NO_OWNER, RetryDecision
from gateway.dispatch.slots import Slots
from gateway.errors import Refused, StoreError
from gateway.follow_up import Done
from gateway.model import Delivery
from gateway.plugin import Sink
from gateway.runtime.lean_imports import import_structlog

if TYPE_CHECKING:
    from prometheus_client import Gauge

log = import_structlog().get_logger("gateway.dispatcher")

QUEUE_PREFIX: Final = "owner "
_QUEUE_CHARS: Final = 32  # hexadecimal digits, because an index holds no text of any length
SWEEP_SECONDS: Final = 60.0


def queue_of(owner: str) -> str:
    """What the waiting rows of one owner stand in."""
    return QUEUE_PREFIX + hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()[:_QUEUE_CHARS]


class OwnerDeliverer(Deliverer):
    """One lane's, of a sink with a directory."""

    def __init__(
        self,
        slots: Slots,
        prober: Prober,
        breaker: Breaker,
        ring: Callable[..., None],
        shared: Shared,
        policy: OwnerPolicy,
        gauge: Gauge,
    ) -> None:
        super().__init__(slots, prober, breaker, ring, shared)
        self.states = OwnerStates(
            policy.concurrency,
            policy.rate,
            shared.rng,
            timeout=self._timeout,
            longest=slots.policy.retry.max_retry_after.total_seconds(),
            nobodys=slots.policy.concurrency // 2,  # so that it cannot take what owners need
        )
        self.targets = OwnerTargets(slots.sink, policy.directory, lambda: prober.sink_opened)
        self._queues = slots.policy.order == "none"  # else the rows have a key of their own, which keeps their order
        self._gauge = gauge
        self._swept_at = self._clock.monotonic()
        self._broken = False  # the last result says it of the sink as a whole
        gauge.set(0)

    def see(self, policy: OwnerPolicy) -> None:
        """From now on this table holds, for what waits too; who has another target is tried anew."""
        before, after = self.targets.directory, policy.directory
        self.targets.change(after)
        self.states.forgive(lambda owner: before.cells(owner) == after.cells(owner))
        self._gauge.set(len(self.states.paused))

    async def close(self) -> None:
        """Close the sinks of owners."""
        self._gauge.set(0)
        await self.targets.close()

    # -- before

    async def _deliver(self, dispatch: Dispatch, sink: Sink) -> None:
        member = dispatch.first
        owned = self.targets.directory.owned(member.lease.event)
        if owned.missing:
            await self._end_unowned(dispatch, member, owned.missing)
            return
        owner, now = owned.owner, self._clock.monotonic()
        member.owner = owner
        wait = self.states.wait(owner, now)
        if wait and dispatch.probe is None:
            member.again = wait
            self._slots.give_back(dispatch, round(wait * 1000), queue_of(owner) if self._queues else "")
            return
        self.states.attempt_begins(owner, member.lease.delivery, now)
        try:
            await self._carry_to(dispatch, owner)
        finally:
            self.states.attempt_ended(owner, member.lease.delivery)
            self._sweep()

    async def _carry_to(self, dispatch: Dispatch, owner: str) -> None:
        try:
            target = self.targets.borrow(owner)
        except Exception as error:  # the options were well when the table was read; what they name may be gone
            unmade = Nonsense(f"no sink can be made for this owner: {type(error).__name__}")
            unmade.__cause__ = error
            await self._fail(dispatch, unmade)
            return
        try:
            with target.masked():
                if (failure := await target.open(self._timeout)) is not None:
                    await self._fail(dispatch, failure)
                    return
                dispatch.hear()  # that took a while, and so did the lease
                await self._fit(dispatch)
                if dispatch.members:
                    await super()._deliver(dispatch, target.sink)
        finally:
            self.targets.give_back(target)

    async def _fail(self, dispatch: Dispatch, failure: BaseException) -> None:
        """His sink cannot even be opened: an attempt like any other."""
        started_at = self._clock.ms()
        self._slots.untoken(dispatch)
        self._record(dispatch, [self._delivery(dispatch.first, started_at)], [failure], started_at, 0.0)
        await self.report_to_breaker(dispatch, [failure])

    async def _end_unowned(self, dispatch: Dispatch, member: LeasedDelivery, why: str) -> None:
        now = self._clock.ms()
        refused = Refused(f"no owner: {why}")
        self._write(member, self._delivery(member, now), refused, NO_OWNER, now, 0.0)
        self._slots.untoken(dispatch)
        if dispatch.probe is not None:
            await self._prober.ended(dispatch, Nonsense(f"nothing was sent: {why}"))
            self._ring(due=True)

    # -- after

    def _record(
        self,
        dispatch: Dispatch,
        deliveries: Sequence[Delivery],
        results: Sequence[AttemptResult],
        started_at: int,
        seconds: float,
        done: Sequence[Done | None] = (),
    ) -> None:
        for member, result in zip(dispatch.members, results, strict=True):
            if not isinstance(result, HandedOver):
                self._note(member, result, seconds)
        super()._record(dispatch, deliveries, results, started_at, seconds, done)

    def _note(self, member: LeasedDelivery, result: AttemptResult, seconds: float) -> None:
        owner, now = member.owner, self._clock.monotonic()
        before = self.states.paused_until(owner)
        self._broken = self.states.note(owner, member.lease.delivery, result, seconds, now) or self._broken
        until = self.states.paused_until(owner)
        if (before is None) == (until is None):
            return
        if until is None:
            log.info("owner_goes_on", sink=self._slots.sink.name, owner=owner)
        else:
            log.warning(
                "owner_paused",
                sink=self._slots.sink.name,
                owner=owner,
                reason=describe(result),
                seconds=round(until - now, 3),
            )
        self._gauge.set(len(self.states.paused))

    def _write(
        self,
        member: LeasedDelivery,
        delivery: Delivery,
        result: AttemptResult,
        decision: RetryDecision,
        started_at: int,
        seconds: float,
        done: Done | None = None,
    ) -> None:
        self.states.attempt_ended(member.owner, member.lease.delivery)
        if decision.state == "waiting" and (member.lease.order_key or "").startswith(QUEUE_PREFIX):
            until = self.states.paused_until(member.owner)
            if until is None:
                member.leaves = True  # he is well, and this one is poisoned: it goes on by itself
            else:
                decision = replace(decision, delay=min(decision.delay, max(until - self._clock.monotonic(), 0.0)))
        super()._write(member, delivery, result, decision, started_at, seconds, done)

    def _settled(self, member: LeasedDelivery, kept: bool) -> None:
        super()._settled(member, kept)
        lease = member.lease
        if member.leaves and kept and lease.order_key is not None:
            leaving = self._shared.store.leave_queue(lease.sink, lease.order_key, lease.delivery, lease.token)
            leaving.add_done_callback(_heard)

    async def report_to_breaker(self, dispatch: Dispatch, results: Sequence[AttemptResult]) -> None:
        """One owner says nothing of the others: only when many begin to fail, one after the other, it is the sink."""
        if dispatch.probe is not None:
            await super().report_to_breaker(dispatch, results)
        elif self._broken and not self._breaker.open:
            self._broken = False
            await self._trip(results[0])

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            self.states.drop_idle(now)


def _heard(done: asyncio.Future[None]) -> None:
    """A store that failed meanwhile has said so; the row then waits at the head of its queue."""
    if not done.cancelled() and isinstance(error := done.exception(), StoreError):
        log.warning("queue_not_left", error=str(error))
