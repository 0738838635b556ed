"""The way of one unit through a worker: is its lease long enough, send it, decide, record, write."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import DeliveryFailed, Retry, StoreError, Unavailable
from gateway.lanes.attempt import Nonsense, Result, carry
from gateway.lanes.circuit import answered, failed_service
from gateway.lanes.crew import Unit
from gateway.lanes.hand import Work
from gateway.lanes.shared import Shared
from gateway.lanes.verdict import Verdict, verdict
from gateway.lean import import_structlog
from gateway.model import FAILED, Delivery, Outcome
from gateway.retry import decide
from gateway.store.records import Lease

if TYPE_CHECKING:
    from gateway.lanes.lane import Lane

log = import_structlog().get_logger("gateway.dispatcher")

LEASE_LEAST: Final = 5.0  # seconds of the lease that must be left beyond the timeout when sending begins
ALONE_MOST: Final = 10_000


class Carrying:
    """One lane's. `alone` are the deliveries whose last batch failed as a whole: next time each goes for itself."""

    def __init__(self, lane: Lane, shared: Shared) -> None:
        self._lane = lane
        self._shared = shared
        self._clock = shared.clock
        self._timeout = lane.policy.timeout.total_seconds()
        self._attempt_finished = shared.hook.attempt_finished
        name, metrics = lane.sink.name, shared.metrics
        self._outcomes = {outcome: metrics.deliveries.labels(name, outcome.value) for outcome in Outcome}
        self._attempt_seconds = metrics.attempt_seconds.labels(name)
        self._end_to_end = metrics.end_to_end_seconds.labels(name)
        self.alone: set[int] = set()

    async def carry(self, unit: Unit) -> None:
        """Send this unit and hand its outcomes to the settler. Raises only CancelledError, after the same."""
        unit = await self._fit(unit)
        if not unit:
            return
        lane = self._lane
        if unit[0].paced and lane.pace is not None:
            unit[0].paced = False
            lane.pace.spend(self._clock.monotonic())
        started_at, started = self._clock.ms(), self._clock.monotonic()
        deliveries = [self._delivery(work.lease, started_at) for work in unit]
        results: Sequence[Result]
        try:
            results, each = await carry(self._shared.hook, deliveries, lane.sink, self._timeout)
        except asyncio.CancelledError:
            if not unit[0].dropped:
                cut = [Retry("cut off: the gateway stopped")] * len(unit)
                self._record(unit, deliveries, cut, started_at, self._clock.monotonic() - started)
            raise
        if unit[0].dropped:
            return
        if not each and len(unit) > 1:
            self._set_apart(unit)
        seconds = self._clock.monotonic() - started
        self._record(unit, deliveries, results, started_at, seconds)
        await self.heed(unit, results)

    def abandon(self, unit: Unit, why: str) -> Retry:
        """Its worker was given up: decide without it. What is said of the sink by this is the caller's to `heed`."""
        now, failure = self._clock.ms(), Retry(why, service=True)
        for work in unit:
            work.dropped = True
        deliveries = [self._delivery(work.lease, now) for work in unit]
        self._record(unit, deliveries, [failure] * len(unit), now, self._timeout)
        return failure

    # -- before

    async def _fit(self, unit: Unit) -> Unit:
        """What of this unit may be sent now: not into a shut gate, and with enough of the lease left."""
        lane = self._lane
        if lane.shut_for(unit[0]):
            lane.give_back(unit)
            return []
        least = self._clock.monotonic() + self._timeout + LEASE_LEAST
        if all(work.expires >= least for work in unit):
            return unit
        kept = [work for work in unit if work.expires >= least or await self._renewed(work)]
        if unit[0].paced and (not kept or kept[0] is not unit[0]):
            lane.untoken(unit[0])
            if kept and lane.pace is not None:
                lane.pace.take()
                kept[0].paced = True
        return kept

    async def _renewed(self, work: Work) -> bool:
        asked = self._clock.monotonic()
        try:
            kept = await self._shared.store.renew(work.lease.delivery, work.lease.token, self._lane.lease)
        except StoreError as error:
            log.warning("lease_not_renewed", sink=self._lane.sink.name, delivery=work.lease.delivery, error=str(error))
            kept = False
        if kept:
            work.expires = asked + self._lane.lease / 1000
            return True
        self._lane.prober.dropped(work)
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
        lane, now = self._lane, self._clock.ms()
        stalled = lane.breaker.stalled(now)
        for work, delivery, result in zip(unit, deliveries, results, strict=True):
            lease = work.lease
            decision = decide(
                result,
                attempt=lease.attempt,
                elapsed=(now - lease.first_at - (stalled - lease.stalled)) / 1000,
                policy=lane.policy.retry,
                rng=self._shared.rng,
                spared=work.probe is not None or (lane.breaker.open and failed_service(result)),
            )
            given = verdict(lease, result, decision, started_at=started_at, seconds=seconds)
            self._tell(lease, delivery, result, given)
            if decision.state == "waiting":
                self._wait_for(work, decision.delay)
            else:
                self.alone.discard(lease.delivery)
            self._shared.settler.settle(work, given.settlement, lane.settled)

    def _wait_for(self, work: Work, delay: float) -> None:
        work.again = delay
        if self._lane.gathering is not None and work.lease.event.type == FAILED:
            self._lane.gathering.hurry(self._clock.ms() / 1000 + delay)

    def _tell(self, lease: Lease, delivery: Delivery, result: Result, given: Verdict) -> None:
        """The line in the log, the figures, the plugins that watch."""
        lane, settlement, attempt = self._lane, given.settlement, given.attempt
        outcome = attempt.outcome
        facts: dict[str, Any] = {
            "sink": lane.sink.name,
            "id": lease.event.id,
            "delivery": lease.delivery,
            "attempt": lease.attempt,
            "outcome": outcome.value,
            "seconds": round(attempt.seconds, 4),
        }
        if attempt.status is not None:
            facts["status"] = attempt.status
        if attempt.detail:
            facts["detail"] = attempt.detail
        if settlement.state == "waiting":
            facts["next_try_in"] = settlement.delay / 1000
        if settlement.reason:
            facts["dead"] = settlement.reason
        if isinstance(result, BaseException) and not isinstance(result, DeliveryFailed):
            facts["exc_info"] = result.__cause__ if isinstance(result, Nonsense) else result
        (log.info if outcome is Outcome.DELIVERED else log.error if settlement.reason else log.warning)(
            "attempt", **facts
        )
        if given.trouble:
            log.warning("memo_dropped", sink=lane.sink.name, delivery=lease.delivery, problem=given.trouble)
        self._outcomes[outcome].inc()
        self._attempt_seconds.observe(attempt.seconds)
        if outcome is Outcome.DELIVERED and not lease.round:
            age = settlement.started_at / 1000 + attempt.seconds - lease.event.received_at.timestamp()
            self._end_to_end.observe(max(age, 0.0))
        self._shared.watchers.tell(delivery=delivery, attempt=attempt)

    def _set_apart(self, unit: Unit) -> None:
        if len(self.alone) > ALONE_MOST:
            self.alone.clear()
        self.alone.update(work.lease.delivery for work in unit)

    async def heed(self, unit: Unit, results: Sequence[Result]) -> None:
        """What the results say of the sink as a whole. A batch is one call, so it counts once."""
        lane = self._lane
        telling = next((result for result in results if isinstance(result, Unavailable)), None) or next(
            (result for result in results if answered(result)), results[0]
        )
        if unit[0].probe is not None:
            await lane.prober.ended(unit[0], telling)
            lane.ring()
        elif lane.breaker.note(unit[0].lease.delivery, telling):
            await lane.open_circuit(telling)
