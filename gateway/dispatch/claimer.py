"""When a lane asks the store for more, and for how many."""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.dispatch.batching import Gathering, GroupGathering
from gateway.dispatch.breaker import Breaker
from gateway.dispatch.due_timer import DueTimer
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.leased_delivery import Dispatch, LeasedDelivery
from gateway.dispatch.outcome import describe
from gateway.dispatch.prober import Prober
from gateway.dispatch.slots import Slots
from gateway.dispatch.workers import WorkerPool
from gateway.errors import StoreError
from gateway.runtime.background import tireless
from gateway.runtime.lean_imports import import_structlog

log = import_structlog().get_logger("gateway.dispatcher")

CLAIM_BATCH_MAX: Final = 100  # deliveries in one claim
EXACT_WAIT_SECONDS: Final = 1.5  # seconds; what comes due before the next poll is waited for exactly
CLAIM_RETRY_SECONDS: Final = 1.0  # seconds after which a claim that failed is sent again
LAST_CLAIM_SECONDS: Final = 6.0  # seconds a claim under way may take at the end; the store answers within 5


class Claimer:
    """One lane's. `due`: rows are believed to be due; `rows`: there are some at all."""

    def __init__(self, slots: Slots, prober: Prober, breaker: Breaker, workers: WorkerPool, shared: Shared) -> None:
        self._slots = slots
        self._prober = prober
        self._breaker = breaker
        self._workers = workers
        self._sink = slots.sink.name
        self._store = shared.store
        self._settler = shared.settler
        self._clock = shared.clock
        self._store_clock = shared.store_clock
        self._bell = asyncio.Event()
        self._alarm = DueTimer(shared.clock, self._bell)
        self._due_at: float | None = None  # when the next comes due, in monotonic seconds
        self._task: asyncio.Task[None] | None = None
        self.due = self.rows = False
        self.opened = asyncio.Event()  # its sink was opened, or has failed to
        self._failing = False  # the last claim failed, and that was said
        self._not_before = 0.0  # monotonic seconds, after a failure

    # -- what is known of the store

    def wake(self, *, urgent: bool = False) -> None:
        """Rows were left waiting."""
        self.rows = True
        if self._slots.gathering is not None:
            self._slots.gathering.add(self._store_clock.ms() / 1000, urgent=urgent)
        self.ring(due=True)

    def note_due(self, due: int | None) -> None:
        """What the poll found: the least due time (ms) of this sink's rows."""
        self.rows = due is not None
        if due is not None:
            if self._slots.gathering is not None:
                self._slots.gathering.seen(due / 1000)
            self.expect((due - self._store_clock.ms()) / 1000)
        self.ring()

    def expect(self, seconds: float) -> None:
        """A row comes due in `seconds`. What comes after the next poll is left to it."""
        if seconds <= 0:
            self.ring(due=True)
        elif seconds < EXACT_WAIT_SECONDS:
            at = self._clock.monotonic() + seconds
            self._due_at = at if self._due_at is None else min(self._due_at, at)
            self.ring()

    def ring(self, *, due: bool = False) -> None:
        """Something changed: think again."""
        self.due = self.due or due
        self._bell.set()

    def freed(self, again: float | None) -> None:
        """A slot came free; its delivery is due again in so many seconds (None: it ended)."""
        if again is not None:
            self.expect(again)
        if self.due or self._slots.gathering is not None:
            self.ring()

    # -- life

    def start(self) -> None:
        """Open the sink, then claim until stopped."""
        self.due = self.rows = True
        if self._slots.gathering is not None:
            self._slots.gathering.hurry(self._store_clock.ms() / 1000)  # because what an earlier run left may be urgent
        self._bell.set()
        self._task = tireless(f"lane {self._sink}: claims", self._claim_until_closed, self._clock)

    async def stop(self) -> None:
        """Ask for nothing more; what a claim under way brings goes back."""
        self._alarm.stop()
        self._bell.set()
        if self._task is not None:
            if self._prober.opening:
                self._task.cancel()
            await asyncio.wait((self._task,), timeout=LAST_CLAIM_SECONDS)
            self._task.cancel()

    async def _claim_until_closed(self) -> None:
        self._slots.asking = 0
        try:
            await self._prober.open()
        except Exception:
            log.exception("sink_not_opened", sink=self._sink)
        finally:
            self.opened.set()
        while not self._slots.stopping:
            await self._bell.wait()
            self._bell.clear()
            try:
                while await self._turn():
                    pass
            except Exception as error:
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        """One line when it begins, and a pause, because every callback rings the bell."""
        self._slots.asking = 0
        if not self._failing:
            known = isinstance(error, StoreError)
            log.warning("claim_failed", sink=self._sink, error=describe(error), exc_info=not known)
        self._failing = True
        self._not_before = self._clock.monotonic() + CLAIM_RETRY_SECONDS
        self._alarm.set(CLAIM_RETRY_SECONDS)

    async def _turn(self) -> bool:
        """Do one thing; False: there is nothing to do until the bell rings."""
        if self._slots.stopping or self._settler.failing:
            return False
        if (pause := self._not_before - self._clock.monotonic()) > 0:
            self._alarm.set(pause)
            return False
        if self._due_at is not None:
            wait = self._due_at - self._clock.monotonic()
            if wait <= 0:
                self.due, self._due_at = True, None
            else:
                self._alarm.set(wait)
        if self._breaker.shut or not self._prober.opened:
            return await self._probe()
        most = self._room() if self._slots.gathering is None else self._batch_room(self._slots.gathering)
        if most <= 0 or not self._has_token():
            return False
        if self._slots.gathering is None:
            await self._claim(most)
        elif isinstance(self._slots.gathering, GroupGathering):
            await self._claim_group(self._slots.gathering)
        else:
            await self._claim_batch(self._slots.gathering)
        return True

    # -- how many

    def _room(self) -> int:
        if not self.due or self._slots.occupied > self._slots.threshold:
            return 0
        most = min(self._slots.limit - self._slots.occupied, CLAIM_BATCH_MAX)
        return most if self._slots.pace is None else min(most, max(self._slots.pace.free(self._clock.monotonic()), 1))

    def _batch_room(self, gathering: Gathering) -> int:
        if self._workers.dispatches >= self._workers.size:
            return 0
        wait = gathering.wait(self._store_clock.ms() / 1000)
        if wait is None:
            return 0
        if wait > 0:
            self._alarm.set(wait)
            return 0
        return gathering.most

    def _has_token(self) -> bool:
        pace = self._slots.pace
        if pace is None:
            return True
        wait = pace.wait(self._clock.monotonic())
        if wait:
            self._alarm.set(wait)
        return wait == 0

    # -- asking

    async def _claim(self, most: int) -> None:
        self.due = False
        try:
            members = await self._ask(most)
        except BaseException:
            self.due = True
            raise
        if len(members) == most:
            self.due = True
        for member in members:
            self._slots.occupy(Dispatch([member]), token=True)

    async def _claim_batch(self, gathering: Gathering) -> None:
        """One batch, and each for itself those whose last batch failed as a whole; what finds no token goes back."""
        most = gathering.most
        gathering.note_asking(self._store_clock.ms() / 1000)
        try:
            members = await self._ask(most)
        except BaseException:
            gathering.note_claimed(None)
            raise
        gathering.note_claimed(len(members))
        self._send(members)
        if len(members) == most:
            for one in await self._store.due():
                if one.sink == self._sink and one.at is not None:
                    gathering.seen(one.at / 1000)

    async def _claim_group(self, gathering: GroupGathering) -> None:
        """A batch of the group whose turn it is, as far as one claim gives it; the rest of a large one comes at once."""
        gathering.note_asking(self._store_clock.ms() / 1000)
        asked = self._clock.monotonic()
        most = self._slots.asking = gathering.most
        try:
            claimed = await self._store.claim_group(
                self._sink, most, self._slots.lease, round(gathering.window * 1000), running=tuple(self._slots.leased)
            )
        except BaseException:
            gathering.note_claimed(None)
            raise
        finally:
            self._slots.asking = 0
        gathering.answered(None if claimed.again_at is None else claimed.again_at / 1000)
        self._succeeded()
        members = [LeasedDelivery(lease, asked + self._slots.lease / 1000) for lease in claimed.leases]
        self._send(members, apart=claimed.alone)

    def _send(self, members: list[LeasedDelivery], *, apart: bool = False) -> None:
        """Together, but each for itself (all of them: `apart`) those whose last batch failed as a whole."""
        alone = [one for one in members if apart or one.lease.delivery in self._slots.alone or one.lease.losses]
        together = [one for one in members if one not in alone]
        for dispatch in [Dispatch(together)] * bool(together) + [Dispatch([one]) for one in alone]:
            self._slots.occupy(dispatch, token=True)

    def _succeeded(self) -> None:
        if self._failing:
            self._failing = False
            log.info("claims_again", sink=self._sink)

    async def _ask(self, most: int) -> list[LeasedDelivery]:
        """Lease up to `most` rows, in claims of a hundred."""
        members: list[LeasedDelivery] = []
        self._slots.asking = most
        try:
            while len(members) < most:
                some = min(most - len(members), CLAIM_BATCH_MAX)
                running = (*self._slots.leased, *(member.lease.delivery for member in members))
                asked = self._clock.monotonic()
                try:
                    leases = await self._store.claim(self._sink, some, self._slots.lease, running=running)
                except StoreError:
                    if not members:
                        raise
                    break
                members += (LeasedDelivery(lease, asked + self._slots.lease / 1000) for lease in leases)
                if len(leases) < some:
                    break
        finally:
            self._slots.asking = 0
        self._succeeded()
        return members

    async def _probe(self) -> bool:
        if not self._has_token():
            return False
        dispatch, wait = await self._prober.next(tuple(self._slots.leased), rows=self.rows or self.due)
        if wait is not None:
            self._alarm.set(wait)
        if dispatch is not None:
            self._slots.occupy(dispatch, token=True)
            return False
        if self._slots.may_go:
            return True  # it opened, and nothing is in the way any more
        self.due = self.due and wait is not None  # if there are rows the poll will say so again
        return False
