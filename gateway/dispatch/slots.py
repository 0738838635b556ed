"""What one sink has in hand, from the lease until the outcome is written, and how much more it may take."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from gateway.dispatch.batching import Gathering, GroupGathering
from gateway.dispatch.breaker import Breaker
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.leased_delivery import Dispatch, LeasedDelivery
from gateway.dispatch.policy import DeliveryPolicy
from gateway.dispatch.prober import Prober
from gateway.dispatch.rate_limit import Pace
from gateway.dispatch.workers import WorkerPool
from gateway.plugin import Sink
from gateway.runtime.lean_imports import import_structlog

log = import_structlog().get_logger("gateway.dispatcher")

JOINED_SLOTS_MAX: Final = 1000  # deliveries in hand that wait to be joined, because each is held with its event
ALONE_MAX: Final = 10_000  # deliveries that go for themselves, because each is remembered
LEASE_SPARE_SECONDS = 30.0  # a lease lasts so much longer than the timeout
QUICK_WORK_SECONDS: Final = (
    0.5  # of work that a quick sink has in hand, because what is handed over need not be claimed
)
QUICK_FACTOR_MAX: Final = 8  # times its concurrency at most; an outcome that is not written yet holds its slot too
QUICK_SLOTS_MAX: Final = 500  # deliveries of a quick sink, because each is held with its event
_USUAL_SHARE: Final = 1 / 32  # of one attempt in what its sink usually takes


class Slots:
    """`limit` deliveries may be held; above `threshold`, half of it, the store is asked for none. `freed` hears of each that
    ended. The limit of a sink that answers quickly is higher: what it has in hand is as old."""

    def __init__(
        self,
        sink: Sink,
        policy: DeliveryPolicy,
        shared: Shared,
        *,
        breaker: Breaker,
        prober: Prober,
        workers: WorkerPool,
    ) -> None:
        self.sink = sink
        self.policy = policy
        self._shared = shared
        self._clock = shared.clock
        self._breaker = breaker
        self._prober = prober
        self._workers = workers
        self.lease = lease_of(policy)
        self.pace = Pace(policy.rate.count, policy.rate.seconds) if policy.rate else None
        batch = policy.batch
        at_once = batch is not None and not batch.window and not batch.group_by and self.pace is None
        self.joined_max = batch.max if batch is not None and at_once else 1
        self.grouped = batch is not None and bool(batch.group_by)
        gather = GroupGathering if self.grouped else Gathering
        self.gathering = None if batch is None or at_once else gather(batch.max, batch.window.total_seconds())
        # with a rate nothing is held beyond what goes out now, because what waits for a token waits in the store
        self._threshold = policy.concurrency if self.pace is None else policy.concurrency - 1
        self._limit = policy.concurrency * (2 if self.pace is None else 1)
        if self.joined_max > 1:
            self._threshold = max(self._threshold, min(policy.concurrency * self.joined_max, JOINED_SLOTS_MAX))
            self._limit = 2 * self._threshold
        # with a directory each owner has a pace of his own, and batches are large already
        self._grows = self.joined_max == 1 and self.gathering is None and self.pace is None and policy.owners is None
        self._usual = QUICK_WORK_SECONDS  # seconds of an attempt
        self.leased: dict[int, LeasedDelivery] = {}
        self._unwritten: set[int] = set()  # deliveries that were tried, and whose outcomes are not written
        self.alone: set[int] = set()  # deliveries whose last batch failed as a whole: next time each goes for itself
        self._reserved: deque[float] = deque()
        self.asking = 0  # as many are being claimed
        self.stopping = False
        self.freed: Callable[[float | None], None] = lambda again: None

    @property
    def ending(self) -> bool:
        """Whether what is being carried may be cut off, because the lane ends."""
        return self._workers.ending

    def decided(self, member: LeasedDelivery) -> None:
        """Its outcome is the settler's; `settled` follows."""
        member.decided = True
        self._unwritten.add(member.lease.delivery)

    def all_ended(self, members: Sequence[LeasedDelivery]) -> None:
        """The same of these, which need no other try."""
        for member in members:
            member.decided = True
            self._unwritten.add(member.lease.delivery)
        if self.alone:
            self.alone.difference_update([member.lease.delivery for member in members])

    def may_begin(self, carried: int) -> bool:
        """Whether another may go out beside so many: whatever a lane has in hand, no more than before can come twice."""
        return not self._grows or carried + len(self._unwritten) < self._limit

    def took(self, seconds: float) -> None:
        """An attempt ended after so long."""
        self._usual += (seconds - self._usual) * _USUAL_SHARE

    @property
    def limit(self) -> int:
        """How many deliveries may be held: twice the concurrency, more where they are carried within half a second."""
        usual = self._usual
        if not self._grows or usual >= QUICK_WORK_SECONDS / 2:
            return self._limit
        concurrency = self.policy.concurrency
        if usual * QUICK_FACTOR_MAX <= QUICK_WORK_SECONDS:
            return max(min(concurrency * QUICK_FACTOR_MAX, QUICK_SLOTS_MAX), self._limit)
        return max(min(int(concurrency * QUICK_WORK_SECONDS / usual), QUICK_SLOTS_MAX), self._limit)

    @property
    def threshold(self) -> int:
        """Above so many that are held the store is asked for none."""
        return self._threshold if self.limit == self._limit else self.limit // 2

    @property
    def occupied(self) -> int:
        """Slots that are taken."""
        return len(self.leased) + len(self._reserved) + self.asking

    @property
    def may_go(self) -> bool:
        """Whether deliveries may be taken now."""
        gate = self._breaker.gate  # not asked by its properties, because every event asks
        if self.stopping or gate.paused or gate.open_until is not None:
            return False
        return self._prober.opened and not self._shared.settler.failing

    def may_not_start(self, dispatch: Dispatch) -> bool:
        """Whether this one may not begin now."""
        gate = self._breaker.gate
        return self.stopping or gate.paused or (gate.open_until is not None and dispatch.probe is None)

    # -- reserving

    def reserve(self, limit: int) -> int | None:
        """The lease (ms) of one fresh delivery, if fewer than `limit` slots are taken and it can be carried at once."""
        if self.gathering is not None or not self.may_go or self.occupied >= limit:
            return None
        if self.pace is not None:
            if self.pace.free(self._clock.monotonic()) < 1:
                return None
            self.pace.set_aside()
        self._reserved.append(self._clock.monotonic())
        return self.lease

    def unreserve(self) -> bool:
        """The reservation was not used; False: there was none."""
        if not self._reserved:
            return False
        self._reserved.popleft()
        if self.pace is not None:
            self.pace.give_back()
        return True

    def reserved_since(self) -> float:
        """The oldest reservation becomes a lease; since when it stood, in monotonic seconds."""
        return self._reserved.popleft() if self._reserved else self._clock.monotonic()

    # -- taking

    def occupy(self, dispatch: Dispatch, *, token: bool = False) -> None:
        """Carry this dispatch, with a token of the pace if it has none yet; it goes back where that is not possible."""
        leased = self.leased
        for member in dispatch.members[:]:
            if member.lease.delivery in leased:
                dispatch.members.remove(member)  # because what this process is carrying must not go out twice at once
                self._shared.settler.release(member, 0, self.settled)
            else:
                leased[member.lease.delivery] = member
        if not dispatch.members:
            self.untoken(dispatch)
            return
        try:
            self._carry(dispatch, token=token)
        except Exception:
            self.broken(dispatch)

    def _carry(self, dispatch: Dispatch, *, token: bool) -> None:
        if token and self.pace is not None:
            dispatch.paced = self.pace.free(self._clock.monotonic()) > 0
            if not dispatch.paced:
                self.give_back(dispatch)
                return
            self.pace.set_aside()
        if self.may_not_start(dispatch):
            self.give_back(dispatch)
        else:
            self._workers.add(dispatch)

    def next_of(self, waiting: deque[Dispatch]) -> Dispatch:
        """The first that waits; with a batch whose window is nothing, joined by those right behind it."""
        first = waiting.popleft()
        if self.joined_max == 1 or not self._joins(first):
            return first
        members = first.members
        while waiting and len(members) < self.joined_max and self._joins(waiting[0]):
            members += waiting.popleft().members
        return first

    def _joins(self, dispatch: Dispatch) -> bool:
        """Whether it goes with others: no probe, nothing that was lost in flight or failed in a batch as a whole."""
        if dispatch.probe is not None:
            return False
        for member in dispatch.members:  # noqa: SIM110  a generator costs more than these few
            if member.lease.losses or member.lease.delivery in self.alone:
                return False
        return True

    def set_apart(self, members: Sequence[LeasedDelivery]) -> None:
        """Their batch failed as a whole: next time each goes for itself."""
        if len(self.alone) > ALONE_MAX:
            self.alone.clear()
        self.alone.update(member.lease.delivery for member in members)

    # -- giving back

    def broken(self, dispatch: Dispatch) -> None:
        """A mistake of ours must cost one attempt, not the worker and its slot."""
        log.exception("attempt_broken", sink=self.sink.name)
        self.untoken(dispatch)
        self._prober.dropped(dispatch)
        for member in dispatch.members:
            if self.leased.get(member.lease.delivery) is member and not member.decided:
                self.settled(member, False)  # it comes due again when its lease ends

    def free_forgotten(self) -> None:
        """Free the slots of what nobody has in hand any more: where there was no memory, it got lost between two hands.

        Its lease has ended, so that a claim finds it once it is no longer held here.
        """
        now = self._clock.monotonic()
        while self._reserved and self._reserved[0] + self.lease / 1000 < now:
            self.unreserve()
        late = [member for member in self.leased.values() if member.expires < now]
        if not late or self._shared.settler.pending:  # an outcome or a release holds its slot until it is written
            return
        carried = {member.lease.delivery for dispatch in self._workers.under_way() for member in dispatch.members}
        for member in late:
            if member.lease.delivery not in carried:
                self.settled(member, False)

    def put_back(self) -> None:
        """Give back everything that was not begun and may not begin: a probe goes past an open circuit."""
        for dispatch in self._workers.take_back():
            if self.may_not_start(dispatch):
                self.give_back(dispatch)
            else:
                self._workers.add(dispatch)

    def shed(self) -> None:
        """Give back what has not begun and is far more than `limit`, because a sink that was quick is slow now: a lease must not
        end while what it is of waits for a worker."""
        surplus = self.occupied - self.limit
        if not self._grows or surplus <= self.limit / 2:
            return
        waiting = self._workers.take_back()
        for place, dispatch in enumerate(waiting):
            if place < len(waiting) - surplus or dispatch.probe is not None:
                self._workers.add(dispatch)
            else:
                self.give_back(dispatch)

    def give_back(self, dispatch: Dispatch, delay: int = 0, queue: str = "") -> None:
        """Back to the store, unburnt; due after `delay` ms, or when the circuit may close; in a `queue` behind what is in it."""
        if self._breaker.open:
            delay = max(round(self._breaker.opens_in() * 1000), delay)
        self.untoken(dispatch)
        self._prober.dropped(dispatch)
        for member in dispatch.members:
            if not member.decided:
                self._shared.settler.release(member, delay, self.settled, queue)

    def untoken(self, dispatch: Dispatch) -> None:
        """It does not go out now: its token is free again."""
        if dispatch.paced and self.pace is not None:
            dispatch.paced = False
            self.pace.give_back()

    def settled(self, member: LeasedDelivery, kept: bool) -> None:
        """Its outcome is written, or its lease was lost: the slot is free."""
        lease = member.lease
        if self.leased.get(lease.delivery) is member:
            del self.leased[lease.delivery]
            self._unwritten.discard(lease.delivery)
            self._workers.go_on()
        if not kept:
            self._shared.metrics.deliveries.labels(self.sink.name, "lost").inc()
            log.warning("lease_lost", sink=self.sink.name, id=lease.event.ref, delivery=lease.delivery)
        self.freed(member.again)


def lease_of(policy: DeliveryPolicy) -> int:
    """How long a lease of this sink lasts, in ms."""
    return round((policy.timeout.total_seconds() + LEASE_SPARE_SECONDS) * 1000)
