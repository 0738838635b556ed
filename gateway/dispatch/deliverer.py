"""The way of one dispatch through a worker: is its lease long enough, send it, decide, write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from gateway.dispatch.attempt import AttemptResult, Nonsense, carry
from gateway.dispatch.attempt_span import AttemptSpans, end_span, trace_of
from gateway.dispatch.breaker import Breaker
from gateway.dispatch.circuit import failed_service, telling_of
from gateway.dispatch.delivered_at_once import DeliveredAtOnce
from gateway.dispatch.follow_ups import FollowUps
from gateway.dispatch.heartbeat import HandedOver, Pulse, handed_over
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.leased_delivery import Dispatch, LeasedDelivery, deliveries_of, delivery_of
from gateway.dispatch.lost_in_flight import LostInFlight
from gateway.dispatch.outcome import attempt_record
from gateway.dispatch.prober import Prober
from gateway.dispatch.reporter import AttemptReporter
from gateway.dispatch.retry import CRASHED, CUT_OFF, NEVER_ENDED, RetryDecision, decide, never_ends
from gateway.dispatch.slots import Slots
from gateway.errors import Retry, StoreError
from gateway.follow_up import Done
from gateway.model import RECORDING_FAILED, Delivery
from gateway.plugin import Sink
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.time_limits import TimeLimits

log = import_structlog().get_logger("gateway.dispatcher")

LEASE_LEFT_SECONDS_MIN: Final = 5.0  # seconds of the lease that must be left beyond the timeout when sending begins


class Deliverer:
    """One lane's."""

    def __init__(
        self, slots: Slots, prober: Prober, breaker: Breaker, ring: Callable[..., None], shared: Shared
    ) -> None:
        """`ring(due=True)` makes the claimer think again, after a probe."""
        self._slots = slots
        self._prober = prober
        self._breaker = breaker
        self._ring = ring
        self._policy = slots.policy
        self._shared = shared
        self._clock = shared.clock
        self._timeout = slots.policy.timeout.total_seconds()
        self._limits = TimeLimits(self._timeout)
        self._account = AttemptReporter(slots.sink, shared)
        self._lost = LostInFlight(slots, prober, shared, self._crashed)
        self._pulse = Pulse(slots, prober, shared)
        self._spans = AttemptSpans(shared.traces, slots.sink.name)
        self._at_once = DeliveredAtOnce(slots, breaker, shared, self._account)

    async def carry(self, dispatch: Dispatch) -> None:
        """Send this dispatch and hand its outcomes to the settler. Raises only CancelledError, after the same or where what
        had not begun was given back."""
        try:
            if dispatch.suspected and not await self._lost.goes_beside_others(dispatch, self._send):
                return
            isolation = self._shared.isolation
            if isolation.taken:
                await isolation.wait()
            isolation.join_flight()
            try:
                if self._fits(dispatch):
                    await self._deliver(dispatch, self._slots.sink)
                else:
                    await self._send(dispatch)
            finally:
                isolation.leave_flight()
        except asyncio.CancelledError:  # before it began, or after it was decided
            self._slots.give_back(dispatch)
            raise
        except Exception:
            self._slots.broken(dispatch)

    async def _send(self, dispatch: Dispatch) -> None:
        """Where there is more to look at than `_fits` does, or it goes alone."""
        if not self._fits(dispatch):
            await self._fit(dispatch)
        if dispatch.members:
            await self._deliver(dispatch, self._slots.sink)

    async def _deliver(self, dispatch: Dispatch, sink: Sink) -> None:
        if dispatch.paced and self._slots.pace is not None:
            self._slots.pace.spend(self._clock.monotonic())
            dispatch.paced = False
        started_at, started = self._clock.ms(), self._clock.monotonic()
        deliveries = deliveries_of(dispatch, started_at, self._policy.timeout, self._pulse.beat)
        call = (self._shared.hook, deliveries, sink, self._limits, dispatch.bounded_by)
        try:
            answers, apart = await self._spans.around(dispatch.members, carry, *call)
        except asyncio.CancelledError:
            if not dispatch.dropped:
                self._end_cancelled(dispatch, deliveries, started_at, self._clock.monotonic() - started)
            raise
        if dispatch.dropped:
            return
        seconds = self._clock.monotonic() - started
        if self._at_once.record(dispatch, answers, started_at, seconds):
            if dispatch.probe is not None:
                await self.report_to_breaker(dispatch, [None])
            return
        if apart:
            self._slots.set_apart([dispatch.members[n] for n in apart])
        given = [handed_over(member, answer) for member, answer in zip(dispatch.members, answers, strict=True)]
        results = [one.receipt if isinstance(one, Done) else one for one in given]
        done = [one if isinstance(one, Done) and one.events else None for one in given]
        self._record(dispatch, deliveries, results, started_at, seconds, done)
        if dispatch.suspected:
            await self._lost.tell_survived(dispatch.members)
        await self.report_to_breaker(dispatch, results)

    def _end_cancelled(
        self, dispatch: Dispatch, deliveries: Sequence[Delivery], started_at: int, seconds: float
    ) -> None:
        """Its worker is cancelled: by the lane, or by what the sink itself calls, which is a failure as any other."""
        if self._slots.ending:
            cut = Retry("cut off: the gateway stopped")
            for member, delivery in zip(dispatch.members, deliveries, strict=True):
                self._write(member, delivery, cut, CUT_OFF, started_at, seconds)
        else:
            own = Nonsense(f"the sink {self._slots.sink.name} cancelled the task that carries for it")
            self._record(dispatch, deliveries, [own] * len(deliveries), started_at, seconds)

    def abandon(self, dispatch: Dispatch, why: str) -> Retry:
        """Its worker was given up: decide without it. What is said of the sink by this is the caller's to `report_to_breaker`."""
        dispatch.dropped = True
        dispatch.members = [member for member in dispatch.members if not member.decided]
        failure = Retry(why, service=True)
        started_at = self._clock.ms() - round(self._timeout * 1000)
        deliveries = [self._delivery(member, started_at) for member in dispatch.members]
        self._record(dispatch, deliveries, [failure] * len(dispatch.members), started_at, self._timeout)
        return failure

    def _crashed(self, member: LeasedDelivery, why: Nonsense) -> None:
        now = self._clock.ms()
        self._write(member, self._delivery(member, now), why, CRASHED, now, 0.0)

    def _fits(self, dispatch: Dispatch) -> bool:
        """Whether there is nothing for `_fit` to do, as nearly always."""
        if self._slots.may_not_start(dispatch) or dispatch.dropped:
            return False
        least = self._clock.monotonic() + self._timeout + LEASE_LEFT_SECONDS_MIN
        for member in dispatch.members:
            if member.lease.lost or member.expires < least:
                return False
        return bool(dispatch.members)

    async def _fit(self, dispatch: Dispatch) -> None:
        """Leave in this dispatch what may be sent now: not into a shut gate, and with enough of the lease left."""
        if self._slots.may_not_start(dispatch):
            self._slots.give_back(dispatch)
            dispatch.members = []
            return
        dispatch.members = [member for member in dispatch.members if not self._never_ends(member)]
        least = self._clock.monotonic() + self._timeout + LEASE_LEFT_SECONDS_MIN
        if any(member.expires < least for member in dispatch.members):
            dispatch.members = [
                member for member in dispatch.members if member.expires >= least or await self._renewed(member)
            ]
        if dispatch.dropped:  # its worker was given up while it waited for the store
            dispatch.members = []
        if not dispatch.members:
            self._slots.untoken(dispatch)
            self._prober.dropped(dispatch)

    def _never_ends(self, member: LeasedDelivery) -> bool:
        lease = member.lease
        if not lease.lost:
            return False
        now, elapsed = self._clock.ms(), self._elapsed(member)
        if not never_ends(lease.attempt, elapsed, self._policy.retry, lost=lease.lost):
            return False
        failure = Nonsense("its tries never came to an end: each time the process died or the lease ended")
        self._write(member, self._delivery(member, now), failure, NEVER_ENDED, now, 0.0)
        return True

    def _elapsed(self, member: LeasedDelivery) -> float:
        """Seconds since this round's first attempt, without the time the sink stood still.

        What passed since it was leased is measured by the monotonic clock, because the other one may have been set.
        """
        leased_at = member.expires - member.renewed - self._slots.lease / 1000
        return member.lease.elapsed / 1000 + max(self._clock.monotonic() - leased_at, 0.0)

    async def _renewed(self, member: LeasedDelivery) -> bool:
        lease, asked = member.lease, self._clock.monotonic()
        try:
            kept = await self._shared.store.renew(lease.delivery, lease.token, self._slots.lease)
        except StoreError as error:
            log.warning("lease_not_renewed", sink=lease.sink, delivery=lease.delivery, error=str(error))
            kept = False
        if kept:
            expires = asked + self._slots.lease / 1000
            member.renewed += expires - member.expires
            member.expires = expires
            return True
        self._slots.settled(member, False)
        return False

    def _delivery(self, member: LeasedDelivery, now: int) -> Delivery:
        return delivery_of(member.lease, now, self._policy.timeout, owner=member.owner)

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
        self._slots.took(seconds)
        followed = done or [None] * len(results)
        for member, delivery, result, whole in zip(dispatch.members, deliveries, results, followed, strict=True):
            decision = (
                CUT_OFF
                if isinstance(result, HandedOver)
                else decide(
                    result,
                    attempt=member.lease.attempt,
                    elapsed=self._elapsed(member),
                    policy=self._policy.retry,
                    rng=self._shared.rng,
                    spared=dispatch.probe is not None or (self._breaker.open and failed_service(result)),
                )
            )
            self._write(member, delivery, result, decision, started_at, seconds, whole)

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
        follow_ups = FollowUps()
        if done is not None:
            follow_ups = self._shared.follow_ups.make(delivery, done, self._clock.now(), member.lease.trace)
        problems, owner = follow_ups.problems, member.owner
        given = attempt_record(
            member.lease, result, decision, started_at=started_at, seconds=seconds, problems=problems, owner=owner
        )
        self._pulse.ended(member)
        self._account.report(member.lease, delivery, result, given, trace_of(member))
        end_span(member, given)
        if follow_ups.problems:
            self._account.report_bad_follow_ups(member.lease, follow_ups.problems)
        if decision.state == "waiting":
            self._wait_for(member, decision.delay)
        else:
            self._slots.alone.discard(member.lease.delivery)
        if follow_ups.events:
            settler = self._shared.settler
            settler.settle_with(member, given.settlement, follow_ups, self._settled, self._account.report_follow_ups)
        else:
            self._shared.settler.settle(member, given.settlement, self._settled)
        self._slots.decided(member)

    def _settled(self, member: LeasedDelivery, kept: bool) -> None:
        self._slots.settled(member, kept)

    def _wait_for(self, member: LeasedDelivery, delay: float) -> None:
        member.again = delay
        if self._slots.gathering is None:
            return
        if self._slots.grouped or member.lease.event.type == RECORDING_FAILED:  # of a group the store says what goes
            self._slots.gathering.hurry(self._shared.store_clock.ms() / 1000 + delay)

    async def report_to_breaker(self, dispatch: Dispatch, results: Sequence[AttemptResult]) -> None:
        """What the results say of the sink as a whole. A batch is one call, so it counts once."""
        if not dispatch.members:
            return
        telling = results[0]
        if isinstance(telling, HandedOver) and all(isinstance(result, HandedOver) for result in results):
            self._prober.dropped(dispatch)  # nothing is said of the sink by it
            return
        if len(results) > 1:
            telling = telling_of(results)
        if dispatch.probe is not None:
            await self._prober.ended(dispatch, telling)
            self._ring(due=True)
        elif self._breaker.note(dispatch.first.lease.delivery, telling):
            await self._trip(telling)

    async def _trip(self, telling: AttemptResult) -> None:
        written = self._breaker.trip(telling)  # nothing begins from here on, and what has not begun goes back
        self._slots.put_back()
        await written
