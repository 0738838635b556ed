"""The way of one unit through a worker: is its lease long enough, send it, decide, write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gateway.dispatch.attempt import Nonsense, Result, carry
from gateway.dispatch.circuit import answered, failed_service
from gateway.dispatch.context import Shared
from gateway.dispatch.leased import Unit, Work
from gateway.dispatch.outcome import verdict
from gateway.dispatch.reporter import Account
from gateway.dispatch.retry import CRASHED, CUT_OFF, LONE_LOSSES, NEVER_ENDED, Decision, backoff, decide, never_ends
from gateway.errors import Retry, StoreError, Unavailable
from gateway.model import FAILED, Delivery
from gateway.runtime.lean_imports import import_structlog
from gateway.store.records import Lease

if TYPE_CHECKING:
    from gateway.dispatch.lane import Lane

log = import_structlog().get_logger("gateway.dispatcher")

LEASE_LEAST: Final = 5.0  # seconds of the lease that must be left beyond the timeout when sending begins
ALONE_AGAIN: Final = (0.2, 1.0)  # seconds until the next look, where another one is alone in flight
ALONE_MOST: Final = 10_000


class Carrying:
    """One lane's."""

    def __init__(self, lane: Lane, shared: Shared) -> None:
        self._lane = lane
        self._shared = shared
        self._clock = shared.clock
        self._timeout = lane.policy.timeout.total_seconds()
        self._account = Account(lane.sink, shared)

    async def carry(self, unit: Unit) -> None:
        """Send this unit and hand its outcomes to the settler. Raises only CancelledError, after the same."""
        lane, isolation = self._lane, self._shared.isolation
        self._put_off_what_was_lost(unit)
        if not any(work.lease.losses for work in unit.works):
            async with isolation.ordinary():
                await self._send(unit)
        elif isolation.taken:
            lane.give_back(unit, round(self._shared.rng.uniform(*ALONE_AGAIN) * 1000))
        else:
            async with isolation.alone(partial(self._mark_alone, unit)):
                await self._send(unit)

    async def _send(self, unit: Unit) -> None:
        lane = self._lane
        await self._fit(unit)
        if not unit.works:
            return
        if unit.paced and lane.pace is not None:
            lane.pace.spend(self._clock.monotonic())
            unit.paced = False
        started_at, started = self._clock.ms(), self._clock.monotonic()
        deliveries = [self._delivery(work.lease, started_at) for work in unit.works]
        results: Sequence[Result]
        try:
            results, each = await carry(self._shared.hook, deliveries, lane.sink, self._timeout)
        except asyncio.CancelledError:
            if not unit.dropped:
                cut, seconds = Retry("cut off: the gateway stopped"), self._clock.monotonic() - started
                for work, delivery in zip(unit.works, deliveries, strict=True):
                    self._write(work, delivery, cut, CUT_OFF, started_at, seconds)
            raise
        if unit.dropped:
            return
        if not each and len(unit.works) > 1:
            self._set_apart(unit)
        survived = [work.lease.delivery for work in unit.works if work.lease.losses]
        self._record(unit, deliveries, results, started_at, self._clock.monotonic() - started)
        if survived:
            await self._tell_store(self._shared.store.survived, survived)
        await self.heed(unit, results)

    def abandon(self, unit: Unit, why: str) -> Retry:
        """Its worker was given up: decide without it. What is said of the sink by this is the caller's to `heed`."""
        unit.dropped = True
        unit.works = [work for work in unit.works if not work.decided]
        failure = Retry(why, service=True)
        started_at = self._clock.ms() - round(self._timeout * 1000)
        deliveries = [self._delivery(work.lease, started_at) for work in unit.works]
        self._record(unit, deliveries, [failure] * len(unit.works), started_at, self._timeout)
        return failure

    # -- what was in flight when a process died

    def _put_off_what_was_lost(self, unit: Unit) -> None:
        """What the process before died with waits like a failed try; what it always dies with is dead."""
        lost = [work for work in unit.works if work.lease.lost and work.lease.losses]
        if not lost:
            return
        lane = self._lane
        unit.works = [work for work in unit.works if work not in lost]
        if not unit.works:
            lane.untoken(unit)
            lane.prober.dropped(unit)
        for work in lost:
            lease = work.lease
            facts = {"sink": lane.sink.name, "id": lease.event.id, "delivery": lease.delivery, "losses": lease.losses}
            if lease.lone_losses >= LONE_LOSSES:
                why = Nonsense(f"the process died {lease.lone_losses} times while this alone was in flight")
                now = self._clock.ms()
                self._write(work, self._delivery(lease, now), why, CRASHED, now, 0.0)
                continue
            delay = backoff(lease.losses, lane.policy.retry, self._shared.rng)
            log.warning("lost_in_flight", **facts, next_try_in=round(delay, 3))
            work.again = delay
            self._shared.settler.give_back(work, round(delay * 1000), lane.settled)

    async def _mark_alone(self, unit: Unit, alone: bool) -> None:
        for work in unit.works:
            await self._tell_store(self._shared.store.alone, work.lease.delivery, work.lease.token, alone)

    async def _tell_store(self, tell: Callable[..., Awaitable[object]], *arguments: object) -> None:
        try:
            await tell(*arguments)
        except StoreError as error:  # it is counted a little wrong, and nothing else
            log.warning("loss_not_noted", sink=self._lane.sink.name, error=str(error))

    # -- before

    async def _fit(self, unit: Unit) -> None:
        """Leave in this unit what may be sent now: not into a shut gate, and with enough of the lease left."""
        lane = self._lane
        if lane.shut_for(unit):
            lane.give_back(unit)
            unit.works = []
            return
        unit.works = [work for work in unit.works if not self._never_ends(work)]
        least = self._clock.monotonic() + self._timeout + LEASE_LEAST
        if any(work.expires < least for work in unit.works):
            unit.works = [work for work in unit.works if work.expires >= least or await self._renewed(work)]
        if unit.dropped:  # its worker was given up while it waited for the store
            unit.works = []
        if not unit.works:
            lane.untoken(unit)
            lane.prober.dropped(unit)

    def _never_ends(self, work: Work) -> bool:
        lease, now = work.lease, self._clock.ms()
        elapsed = self._elapsed(work)
        if not never_ends(lease.attempt, elapsed, self._lane.policy.retry, lost=lease.lost):
            return False
        failure = Nonsense("its tries never came to an end: each time the process died or the lease ended")
        self._write(work, self._delivery(lease, now), failure, NEVER_ENDED, now, 0.0)
        return True

    def _elapsed(self, work: Work) -> float:
        """Seconds since this round's first attempt, without the time the sink stood still.

        What passed since it was leased is measured by the monotonic clock, because the other one may have been set.
        """
        leased_at = work.expires - work.renewed - self._lane.lease / 1000
        return work.lease.elapsed / 1000 + max(self._clock.monotonic() - leased_at, 0.0)

    async def _renewed(self, work: Work) -> bool:
        asked = self._clock.monotonic()
        try:
            kept = await self._shared.store.renew(work.lease.delivery, work.lease.token, self._lane.lease)
        except StoreError as error:
            log.warning("lease_not_renewed", sink=self._lane.sink.name, delivery=work.lease.delivery, error=str(error))
            kept = False
        if kept:
            expires = asked + self._lane.lease / 1000
            work.renewed += expires - work.expires
            work.expires = expires
            return True
        self._lane.settled(work, False)
        return False

    def _delivery(self, lease: Lease, now: int) -> Delivery:
        at = datetime.fromtimestamp(now / 1000, UTC)
        return Delivery(
            id=lease.delivery,
            event=lease.event,
            sink=lease.sink,
            attempt=lease.attempt,
            first_attempt_at=datetime.fromtimestamp(lease.first_at / 1000, UTC),
            deadline=at + timedelta(seconds=self._timeout),
            memo=MappingProxyType(dict(lease.memo)),
            replay=lease.replay,
        )

    # -- after

    def _record(
        self, unit: Unit, deliveries: Sequence[Delivery], results: Sequence[Result], started_at: int, seconds: float
    ) -> None:
        lane = self._lane
        for work, delivery, result in zip(unit.works, deliveries, results, strict=True):
            decision = decide(
                result,
                attempt=work.lease.attempt,
                elapsed=self._elapsed(work),
                policy=lane.policy.retry,
                rng=self._shared.rng,
                spared=unit.probe is not None or (lane.breaker.open and failed_service(result)),
            )
            self._write(work, delivery, result, decision, started_at, seconds)

    def _write(
        self, work: Work, delivery: Delivery, result: Result, decision: Decision, started_at: int, seconds: float
    ) -> None:
        given = verdict(work.lease, result, decision, started_at=started_at, seconds=seconds)
        self._account.tell(work.lease, delivery, result, given)
        if decision.state == "waiting":
            self._wait_for(work, decision.delay)
        else:
            self._lane.alone.discard(work.lease.delivery)
        self._shared.settler.settle(work, given.settlement, self._lane.settled)
        work.decided = True

    def _wait_for(self, work: Work, delay: float) -> None:
        work.again = delay
        if self._lane.gathering is not None and work.lease.event.type == FAILED:
            self._lane.gathering.hurry(self._shared.store_clock.ms() / 1000 + delay)

    def _set_apart(self, unit: Unit) -> None:
        alone = self._lane.alone
        if len(alone) > ALONE_MOST:
            alone.clear()
        alone.update(work.lease.delivery for work in unit.works)

    async def heed(self, unit: Unit, results: Sequence[Result]) -> None:
        """What the results say of the sink as a whole. A batch is one call, so it counts once."""
        lane = self._lane
        if not unit.works:
            return
        telling = next((result for result in results if isinstance(result, Unavailable)), None) or next(
            (result for result in results if answered(result)), results[0]
        )
        if unit.probe is not None:
            await lane.prober.ended(unit, telling)
            lane.claimer.ring(due=True)
        elif lane.breaker.note(unit.first.lease.delivery, telling):
            await lane.open_circuit(telling)
