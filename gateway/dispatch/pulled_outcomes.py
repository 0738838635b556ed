"""What consumers of a pull sink say of what they were given: done, not done, not yet."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from gateway.dispatch.attempt import AttemptResult, Nonsense
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.leased_delivery import delivery_of
from gateway.dispatch.outcome import AttemptRecord, attempt_record
from gateway.dispatch.policy import DeliveryPolicy
from gateway.dispatch.receipts import Receipt, Receipts
from gateway.dispatch.reporter import AttemptReporter
from gateway.dispatch.retry import NEVER_ENDED, RetryDecision, decide
from gateway.dispatch.waiters import Waiters
from gateway.errors import Refused
from gateway.model import Delivery, Outcome
from gateway.plugin import Sink
from gateway.runtime.lean_imports import import_structlog
from gateway.store.records import Lease, Settlement
from gateway.text.trace_context import TraceContext

log = import_structlog().get_logger("gateway.dispatcher")


class PulledOutcomes:
    """One sink's. Settles under the lease's fencing token, as a lane does; a word that is said twice is one word."""

    def __init__(self, sink: Sink, policy: DeliveryPolicy, shared: Shared) -> None:
        self._sink = sink.name
        self._policy = policy
        self._shared = shared
        self._store = shared.store
        self._clock = shared.store_clock
        self._account = AttemptReporter(sink, shared)
        self._lost = shared.metrics.deliveries.labels(sink.name, Outcome.LOST.value)
        self._receipts: Receipts | None = None
        self._asides: set[asyncio.Future[Sequence[bool]]] = set()
        self.waiters = Waiters(shared.clock)

    async def receipts(self) -> Receipts:
        """What writes and reads this sink's receipts. Raises StoreError."""
        if self._receipts is None:
            self._receipts = Receipts(await self._store.receipt_key(), self._sink)
        return self._receipts

    async def end_leases(self, receipts: Sequence[Receipt], result: AttemptResult) -> Sequence[bool]:
        """End these leases with one result: a receipt for people, or what failed. False: the lease was lost. Raises StoreError."""
        leases = await self._store.leased(self._sink, [(one.delivery, one.token) for one in receipts])
        mine = {
            receipt: (lease, self._record(receipt, lease, result, self._decide(lease, result)))
            for receipt, lease in zip(receipts, leases, strict=True)
            if lease is not None
        }
        done = await self._store.settle([record.settlement for _, record in mine.values()]) if mine else ()
        kept = dict(zip(mine, done, strict=True))
        for receipt, (lease, record) in mine.items():
            if kept[receipt]:
                self._report(receipt, lease, result, record)
        self.waiters.call()  # because one that is due at once, or the next of its stream, may be there
        return [kept[one] if kept.get(one) else await self._settle_late(one, result) for one in receipts]

    async def extend(self, receipts: Sequence[Receipt], lease: int) -> Sequence[int | None]:
        """Until when (ms) each is leased now, `lease` ms from now; None: it was lost. Raises StoreError."""
        return await self._store.extend([(one.delivery, one.token) for one in receipts], lease)

    async def give_back(self, receipts: Sequence[Receipt]) -> Sequence[bool]:
        """Give these back as they were, without an attempt; False: the lease was lost. Raises StoreError."""
        pairs = [(one.delivery, one.token) for one in receipts]
        leases = await self._store.leased(self._sink, pairs)
        await self._store.release([pair for pair, lease in zip(pairs, leases, strict=True) if lease is not None])
        self.waiters.call()
        return [lease is not None for lease in leases]

    def report_lost(self, lease: Lease) -> None:
        """The lease before this one ended without a word."""
        self._lost.inc()
        log.warning("lease_ended", sink=self._sink, id=lease.event.ref, delivery=lease.delivery, attempt=lease.attempt)

    def bury(self, lease: Lease, length: int) -> None:
        """Its leases always ended without a word: it is dead, by the rule of every sink."""
        failure = Nonsense("its tries never came to an end: each time the lease ended without a word of the consumer")
        receipt = Receipt(lease.delivery, lease.token, lease.until - length)
        record = self._record(receipt, lease, failure, NEVER_ENDED)
        self._report(receipt, lease, failure, record)
        writing = self._store.settle([record.settlement])
        self._asides.add(writing)
        writing.add_done_callback(self._buried)

    def _buried(self, writing: asyncio.Future[Sequence[bool]]) -> None:
        self._asides.discard(writing)
        if not writing.cancelled() and writing.exception() is not None:  # its lease ends, and the next claim does it
            log.warning("outcomes_wait", sink=self._sink, error=str(writing.exception()))
        self.waiters.call()

    def _decide(self, lease: Lease, result: AttemptResult) -> RetryDecision:
        policy, elapsed = self._policy.retry, lease.elapsed / 1000
        return decide(result, attempt=lease.attempt, elapsed=elapsed, policy=policy, rng=self._shared.rng)

    def _record(self, receipt: Receipt, lease: Lease, result: AttemptResult, decision: RetryDecision) -> AttemptRecord:
        seconds = max(self._clock.ms() - receipt.leased_at, 0) / 1000
        return attempt_record(lease, result, decision, started_at=receipt.leased_at, seconds=seconds)

    def _report(self, receipt: Receipt, lease: Lease, result: AttemptResult, record: AttemptRecord) -> None:
        trace = TraceContext.of_stored(lease.trace)
        self._account.report(lease, self._delivery(receipt, lease), result, record, trace)

    async def _settle_late(self, receipt: Receipt, result: AttemptResult) -> bool:
        """Nobody holds it under this token now: whoever says the same again is told the same, else it is only written down."""
        outcome = _outcome(result)
        before = await self._store.ended_as(receipt.delivery, receipt.token, receipt.leased_at)
        if before is not None:
            return before == outcome
        if (
            outcome is Outcome.DELIVERED
        ):  # a second arrival, which people are to see; the guard lets nothing else be written
            late = Settlement(
                delivery=receipt.delivery,
                token=receipt.token,
                state="delivered",
                outcome=outcome,
                started_at=receipt.leased_at,
                took_ms=max(self._clock.ms() - receipt.leased_at, 0),
                detail="acknowledged after its lease had ended",
            )
            await self._store.settle([late])
        self._lost.inc()
        log.warning("lease_lost", sink=self._sink, delivery=receipt.delivery)
        return False

    def _delivery(self, receipt: Receipt, lease: Lease) -> Delivery:
        allowed = timedelta(milliseconds=max(lease.until - receipt.leased_at, 0))
        return delivery_of(lease, receipt.leased_at, allowed)


def _outcome(result: AttemptResult) -> Outcome:
    if not isinstance(result, BaseException):
        return Outcome.DELIVERED
    return Outcome.REFUSED if isinstance(result, Refused) else Outcome.RETRY
