"""One sink's lane: which deliveries it takes from the store or from the door, and when."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final

from gateway.config.settings import DeliverySettings
from gateway.errors import StoreError
from gateway.lanes.alarm import Alarm
from gateway.lanes.attempt import Result
from gateway.lanes.breaker import Breaker
from gateway.lanes.carrying import Carrying
from gateway.lanes.crew import Crew, Unit
from gateway.lanes.hand import Work
from gateway.lanes.pacing import Gathering, Pace
from gateway.lanes.probing import Prober
from gateway.lanes.shared import Shared
from gateway.lean import import_structlog
from gateway.plugin import Sink
from gateway.store.records import Gate, Lease

log = import_structlog().get_logger("gateway.dispatcher")

CLAIM_MOST: Final = 100  # rows in one claim (OUTBOX 5)
LEASE_SPARE: Final = 30.0  # seconds a lease lasts beyond the timeout
SOON: Final = 1.5  # seconds; what comes due before the next poll is waited for exactly
AGAIN: Final = 1.0  # seconds after which a failed claim is sent again
LAST_CLAIM: Final = 6.0  # seconds a claim under way may take at the end; the store answers within 5


class Lane:
    """Takes what is due, hands it to its crew, and never holds more than twice what it can carry at once.

    Everything is called from the event loop. `hand` is what it holds: from the lease until the outcome is written.
    """

    def __init__(self, sink: Sink, policy: DeliverySettings, shared: Shared) -> None:
        self.sink = sink
        self.policy = policy
        self._shared = shared
        self._clock = shared.clock
        timeout = policy.timeout.total_seconds()
        self.lease = round((timeout + LEASE_SPARE) * 1000)
        self.pace = Pace(policy.rate.count, policy.rate.seconds) if policy.rate else None
        self.gathering = Gathering(policy.batch.max, policy.batch.window.total_seconds()) if policy.batch else None
        width = policy.concurrency
        if self.gathering is not None:
            self._slots, self._threshold = width * self.gathering.most, width * self.gathering.most
        elif self.pace is not None:
            self._slots, self._threshold = width, width - 1  # rows that wait for a token stay in the store
        else:
            self._slots, self._threshold = width * 2, width
        self.hand: dict[int, Work] = {}
        self._reserved: deque[float] = deque()
        self._claiming = 0
        self._due = False  # rows are believed to be due in the store
        self._due_at: float | None = None  # when the next comes due, in monotonic seconds
        self._rows = False  # there are rows at all
        self._stopping = False
        self._bell = asyncio.Event()
        self._alarm = Alarm(self._clock, self._bell)
        longest = policy.retry.max_retry_after.total_seconds()
        gauge = shared.metrics.circuit_open.labels(sink.name)
        self.breaker = Breaker(sink.name, shared.store, self._clock, shared.rng, gauge, longest)
        self.prober = Prober(sink, self.breaker, shared, lease=self.lease, timeout=timeout)
        self.crew = Crew(f"lane {sink.name}", width, self._carry)
        self._carrying = Carrying(self, shared)
        self._task: asyncio.Task[None] | None = None
        self._asides: set[asyncio.Task[None]] = set()
        self.opened = asyncio.Event()  # its sink was opened, or has failed to

    # -- life

    def start(self) -> None:
        """Open the sink and begin; returns at once, because a sink that hangs must not delay the others."""
        self._due = self._rows = True
        if self.gathering is not None:
            self.gathering.hurry(self._clock.ms() / 1000)  # because what an earlier run left may be urgent
        self._bell.set()
        self.crew.start()
        self._task = asyncio.create_task(self._run(), name=f"lane {self.sink.name}: claims")

    async def stop(self, grace: float) -> None:
        """Claim nothing more, give back what has not begun, let the rest end within `grace` seconds, then cut it off."""
        self._stopping = True
        self._alarm.stop()
        self._bell.set()
        self.put_back()
        if self._task is not None:
            if self.prober.opening:
                self._task.cancel()
            await asyncio.wait((self._task,), timeout=LAST_CLAIM)
            self._task.cancel()
        self.put_back()
        for unit in await self.crew.end(grace):
            self._carrying.abandon(unit, "cut off: the gateway stopped and the plugin did not end")
        for task in tuple(self._asides):
            task.cancel()

    # -- what the door and the poll say

    def reserve(self) -> int | None:
        """The lease (ms) of one fresh delivery if it can be carried at once."""
        held = len(self.hand) + len(self._reserved) + self._claiming
        if held >= (self._threshold if self._due else self._slots) or not self._may_go() or self.gathering is not None:
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
            if self._due:
                self._bell.set()

    def hand_over(self, lease: Lease) -> None:
        """A reserved delivery, committed and leased."""
        since = self._reserved.popleft() if self._reserved else self._clock.monotonic()
        self._take(Work(lease, since + self.lease / 1000, paced=self.pace is not None))

    def wake(self, *, urgent: bool = False) -> None:
        """Rows were left waiting."""
        self._due = self._rows = True
        if self.gathering is not None:
            self.gathering.add(self._clock.ms() / 1000, urgent=urgent)
        self._bell.set()

    def ring(self) -> None:
        """Something changed: rows may be due, and may go."""
        self._due = True
        self._bell.set()

    def look(self, due: int | None, gate: Gate | None, version: int) -> None:
        """What the poll found: the least due time of this sink's rows, and its gate as of `breaker.version`."""
        self.breaker.see(gate, version)
        self._rows = due is not None
        if self.breaker.shut:
            self.put_back()
        if due is not None:
            self._came_due(due)
        for unit in self.crew.give_up(self.policy.timeout.total_seconds()):
            failure = self._carrying.abandon(unit, "no answer, and the plugin does not let itself be stopped")
            aside = asyncio.create_task(self._carrying.heed(unit, [failure]))
            self._asides.add(aside)
            aside.add_done_callback(self._asides.discard)
        self._bell.set()

    def _came_due(self, due: int) -> None:
        wait = (due - self._clock.ms()) / 1000
        if self.gathering is not None:
            self.gathering.seen(due / 1000)
        if wait <= 0:
            self._due = True
        else:
            self.expect(wait)

    def expect(self, seconds: float) -> None:
        """A row comes due in `seconds`. What comes after the next poll is left to it."""
        if seconds < SOON:
            at = self._clock.monotonic() + seconds
            self._due_at = at if self._due_at is None else min(self._due_at, at)
            self._bell.set()

    # -- taking

    def _may_go(self) -> bool:
        return not (self._stopping or self.breaker.shut or not self.prober.opened or self._shared.settler.failing)

    async def _run(self) -> None:
        try:
            await self.prober.open()
        except Exception:
            log.exception("sink_not_opened", sink=self.sink.name)
        finally:
            self.opened.set()
        while not self._stopping:
            await self._bell.wait()
            self._bell.clear()
            try:
                while await self._turn():
                    pass
            except StoreError as error:
                log.warning("claim_failed", sink=self.sink.name, error=str(error))
                self._alarm.set(AGAIN)
            except Exception:
                log.exception("claim_failed", sink=self.sink.name)
                self._alarm.set(AGAIN)

    async def _turn(self) -> bool:
        """Do one thing; False: there is nothing to do until the bell rings."""
        if self._stopping or self._shared.settler.failing:
            return False
        if self._due_at is not None:
            wait = self._due_at - self._clock.monotonic()
            if wait <= 0:
                self._due, self._due_at = True, None
            else:
                self._alarm.set(wait)
        if self.breaker.shut or not self.prober.opened:
            return await self._probe()
        most = self._room()
        if most <= 0:
            return False
        await self._claim(most)
        return True

    def _room(self) -> int:
        """How many rows to claim now."""
        if not self._due and self.gathering is None:
            return 0
        held = len(self.hand) + len(self._reserved)
        if held > self._threshold:
            return 0
        most = min(self._slots - held, CLAIM_MOST)
        if self.pace is not None:
            now = self._clock.monotonic()
            free = self.pace.free(now)
            if free <= 0:
                if (wait := self.pace.wait(now)) is not None:
                    self._alarm.set(wait)
                return 0
            most = min(most, free) if self.gathering is None else most
        return most if self.gathering is None else self._batch_room(self.gathering)

    def _batch_room(self, gathering: Gathering) -> int:
        if self.crew.units >= self.crew.size:
            return 0
        wait = gathering.wait(self._clock.ms() / 1000)
        if wait is None:
            return 0
        if wait > 0:
            self._alarm.set(wait)
            return 0
        return gathering.most

    async def _claim(self, most: int) -> None:
        gathering = self.gathering
        self._due = False
        self._claiming = most
        if gathering is not None:
            gathering.begin(self._clock.ms() / 1000)
        try:
            works = await self._ask(most)
        except BaseException:
            self._due = True
            if gathering is not None:
                gathering.end(None)
            raise
        finally:
            self._claiming = 0
        if len(works) == most:
            self._due = True
        if gathering is None:
            for work in works:
                if self.pace is not None:
                    self.pace.take()
                    work.paced = True
                self._take(work)
            return
        gathering.end(len(works))
        self._take_batch(works)
        if len(works) == most:
            for one in await self._shared.store.due():
                if one.sink == self.sink.name and one.at is not None:
                    gathering.seen(one.at / 1000)

    async def _ask(self, most: int) -> list[Work]:
        """Lease up to `most` rows, in claims of a hundred."""
        works: list[Work] = []
        while len(works) < most:
            some = min(most - len(works), CLAIM_MOST)
            running = (*self.hand, *(work.lease.delivery for work in works))
            asked = self._clock.monotonic()
            try:
                leases = await self._shared.store.claim(self.sink.name, some, self.lease, running=running)
            except StoreError:
                if not works:
                    raise
                break
            works += (Work(lease, asked + self.lease / 1000) for lease in leases)
            if len(leases) < some:
                break
        return works

    async def _probe(self) -> bool:
        if self.pace is not None and self.pace.free(self._clock.monotonic()) < 1:
            self._alarm.set(self.pace.wait(self._clock.monotonic()) or AGAIN)
            return False
        work, wait = await self.prober.next(tuple(self.hand), rows=self._rows or self._due)
        if wait is not None:
            self._alarm.set(wait)
        if work is not None:
            if self.pace is not None:
                self.pace.take()
                work.paced = True
            self._take(work)
            return False
        if self._may_go():
            return True  # it opened, and nothing is in the way any more
        self._due = self._due and wait is not None  # if there are rows the poll will say so again
        return False

    def _take(self, work: Work) -> None:
        self._take_unit([work])

    def _take_batch(self, works: list[Work]) -> None:
        """One batch, and each for itself those whose last batch failed as a whole; as many units as there are tokens."""
        alone = [work for work in works if work.lease.delivery in self._carrying.alone]
        together = [work for work in works if work.lease.delivery not in self._carrying.alone]
        for unit in [*([together] if together else []), *([work] for work in alone)]:
            if self.pace is not None:
                if self.pace.free(self._clock.monotonic()) < 1:
                    for work in unit:
                        self.hand[work.lease.delivery] = work
                        self._give_back(work, 0)
                    continue
                self.pace.take()
                unit[0].paced = True
            self._take_unit(unit)

    def _take_unit(self, unit: Unit) -> None:
        for work in [work for work in unit if work.lease.delivery in self.hand]:
            unit.remove(work)  # because what this process is carrying must not go out twice at once
            self._give_back(work, 0)
        if not unit:
            return
        for work in unit:
            self.hand[work.lease.delivery] = work
        if self.shut_for(unit[0]):
            self.give_back(unit)
        else:
            self.crew.add(unit)

    # -- giving back

    def shut_for(self, work: Work) -> bool:
        """Whether this one may not begin now."""
        gate = self.breaker.gate
        return self._stopping or gate.paused or (gate.open_until is not None and work.probe is None)

    async def open_circuit(self, result: Result) -> None:
        """The target is broken: nothing begins from here on, and what has not begun goes back."""
        written = self.breaker.trip(result)
        self.put_back()
        await written

    def put_back(self) -> None:
        """Give back everything that was not begun."""
        for unit in self.crew.take_back():
            self.give_back(unit)

    def give_back(self, unit: Iterable[Work]) -> None:
        """Back to the store, unburnt; due when the circuit may close."""
        delay = max(round(self.breaker.opens_in() * 1000), 0) if self.breaker.open else 0
        for work in unit:
            self._give_back(work, delay)

    def _give_back(self, work: Work, delay: int) -> None:
        self.untoken(work)
        self.prober.dropped(work)
        self._shared.settler.give_back(work, delay, self.settled)

    def untoken(self, work: Work) -> None:
        """It does not go out now: its token is free again."""
        if work.paced and self.pace is not None:
            work.paced = False
            self.pace.give_back()

    def settled(self, work: Work, kept: bool) -> None:
        """Its outcome is written, or its lease was lost: the slot is free."""
        lease = work.lease
        if self.hand.get(lease.delivery) is work:
            del self.hand[lease.delivery]
        if not kept:
            self._shared.metrics.deliveries.labels(self.sink.name, "lost").inc()
            log.warning("lease_lost", sink=self.sink.name, event_id=lease.event.id, delivery=lease.delivery)
        if work.again is not None:
            self.expect(work.again)
        if lease.order_key is not None:
            self._due = True  # the next of its stream may go
        if self._due or self.gathering is not None:
            self._bell.set()

    async def _carry(self, unit: Unit) -> None:
        await self._carrying.carry(unit)
