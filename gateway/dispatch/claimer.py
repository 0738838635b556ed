"""When a lane asks the store for more, and for how many."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gateway.dispatch.alarm import Alarm
from gateway.dispatch.batching import Gathering
from gateway.dispatch.context import Shared
from gateway.dispatch.leased import Unit, Work
from gateway.dispatch.outcome import describe
from gateway.errors import StoreError
from gateway.runtime.lean_imports import import_structlog

if TYPE_CHECKING:
    from gateway.dispatch.lane import Lane

log = import_structlog().get_logger("gateway.dispatcher")

CLAIM_MOST: Final = 100  # rows in one claim
SOON: Final = 1.5  # seconds; what comes due before the next poll is waited for exactly
AGAIN: Final = 1.0  # seconds after which a claim that failed is sent again
LAST_CLAIM: Final = 6.0  # seconds a claim under way may take at the end; the store answers within 5


class Claimer:
    """One lane's. `due`: rows are believed to be due; `rows`: there are some at all; `asking`: as many are being claimed."""

    def __init__(self, lane: Lane, shared: Shared) -> None:
        self._lane = lane
        self._store = shared.store
        self._settler = shared.settler
        self._clock = shared.clock
        self._store_clock = shared.store_clock
        self._bell = asyncio.Event()
        self._alarm = Alarm(shared.clock, self._bell)
        self._due_at: float | None = None  # when the next comes due, in monotonic seconds
        self._task: asyncio.Task[None] | None = None
        self.due = self.rows = False
        self.asking = 0
        self._failing = False  # the last claim failed, and that was said
        self._not_before = 0.0  # monotonic seconds, after a failure

    # -- what is known of the store

    def wake(self, *, urgent: bool = False) -> None:
        """Rows were left waiting."""
        self.rows = True
        if self._lane.gathering is not None:
            self._lane.gathering.add(self._store_clock.ms() / 1000, urgent=urgent)
        self.ring(due=True)

    def look(self, due: int | None) -> None:
        """What the poll found: the least due time (ms) of this sink's rows."""
        self.rows = due is not None
        if due is not None:
            if self._lane.gathering is not None:
                self._lane.gathering.seen(due / 1000)
            self.expect((due - self._store_clock.ms()) / 1000)
        self.ring()

    def expect(self, seconds: float) -> None:
        """A row comes due in `seconds`. What comes after the next poll is left to it."""
        if seconds <= 0:
            self.ring(due=True)
        elif seconds < SOON:
            at = self._clock.monotonic() + seconds
            self._due_at = at if self._due_at is None else min(self._due_at, at)
            self.ring()

    def ring(self, *, due: bool = False) -> None:
        """Something changed: think again."""
        self.due = self.due or due
        self._bell.set()

    # -- life

    def start(self) -> None:
        """Open the sink, then claim until stopped."""
        self.due = self.rows = True
        if self._lane.gathering is not None:
            self._lane.gathering.hurry(self._store_clock.ms() / 1000)  # because what an earlier run left may be urgent
        self._bell.set()
        self._task = asyncio.create_task(self._run(), name=f"lane {self._lane.sink.name}: claims")

    async def stop(self) -> None:
        """Ask for nothing more; what a claim under way brings goes back."""
        self._alarm.stop()
        self._bell.set()
        if self._task is not None:
            if self._lane.prober.opening:
                self._task.cancel()
            await asyncio.wait((self._task,), timeout=LAST_CLAIM)
            self._task.cancel()

    async def _run(self) -> None:
        lane = self._lane
        try:
            await lane.prober.open()
        except Exception:
            log.exception("sink_not_opened", sink=lane.sink.name)
        finally:
            lane.opened.set()
        while not lane.stopping:
            await self._bell.wait()
            self._bell.clear()
            try:
                while await self._turn():
                    pass
            except Exception as error:
                self._failed(error)

    def _failed(self, error: Exception) -> None:
        """One line when it begins, and a pause, because every callback rings the bell."""
        if not self._failing:
            known = isinstance(error, StoreError)
            log.warning("claim_failed", sink=self._lane.sink.name, error=describe(error), exc_info=not known)
        self._failing = True
        self._not_before = self._clock.monotonic() + AGAIN
        self._alarm.set(AGAIN)

    async def _turn(self) -> bool:
        """Do one thing; False: there is nothing to do until the bell rings."""
        lane = self._lane
        if lane.stopping or self._settler.failing:
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
        if lane.breaker.shut or not lane.prober.opened:
            return await self._probe()
        most = self._room() if lane.gathering is None else self._batch_room(lane.gathering)
        if most <= 0 or not self._has_token():
            return False
        if lane.gathering is None:
            await self._claim(most)
        else:
            await self._claim_batch(lane.gathering)
        return True

    # -- how many

    def _room(self) -> int:
        lane = self._lane
        if not self.due or lane.held > lane.threshold:
            return 0
        most = min(lane.slots - lane.held, CLAIM_MOST)
        return most if lane.pace is None else min(most, max(lane.pace.free(self._clock.monotonic()), 1))

    def _batch_room(self, gathering: Gathering) -> int:
        if self._lane.crew.units >= self._lane.crew.size:
            return 0
        wait = gathering.wait(self._store_clock.ms() / 1000)
        if wait is None:
            return 0
        if wait > 0:
            self._alarm.set(wait)
            return 0
        return gathering.most

    def _has_token(self) -> bool:
        pace = self._lane.pace
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
            works = await self._ask(most)
        except BaseException:
            self.due = True
            raise
        if len(works) == most:
            self.due = True
        for work in works:
            self._lane.take(Unit([work]), token=True)

    async def _claim_batch(self, gathering: Gathering) -> None:
        """One batch, and each for itself those whose last batch failed as a whole; what finds no token goes back."""
        lane, most = self._lane, gathering.most
        gathering.begin(self._store_clock.ms() / 1000)
        try:
            works = await self._ask(most)
        except BaseException:
            gathering.end(None)
            raise
        gathering.end(len(works))
        alone = [work for work in works if work.lease.delivery in lane.alone or work.lease.losses]
        together = [work for work in works if work not in alone]
        for unit in [Unit(together)] * bool(together) + [Unit([work]) for work in alone]:
            lane.take(unit, token=True)
        if len(works) == most:
            for one in await self._store.due():
                if one.sink == lane.sink.name and one.at is not None:
                    gathering.seen(one.at / 1000)

    async def _ask(self, most: int) -> list[Work]:
        """Lease up to `most` rows, in claims of a hundred."""
        lane = self._lane
        works: list[Work] = []
        self.asking = most
        try:
            while len(works) < most:
                some = min(most - len(works), CLAIM_MOST)
                running = (*lane.hand, *(work.lease.delivery for work in works))
                asked = self._clock.monotonic()
                try:
                    leases = await self._store.claim(lane.sink.name, some, lane.lease, running=running)
                except StoreError:
                    if not works:
                        raise
                    break
                works += (Work(lease, asked + lane.lease / 1000) for lease in leases)
                if len(leases) < some:
                    break
        finally:
            self.asking = 0
        if self._failing:
            self._failing = False
            log.info("claims_again", sink=lane.sink.name)
        return works

    async def _probe(self) -> bool:
        lane = self._lane
        if not self._has_token():
            return False
        unit, wait = await lane.prober.next(tuple(lane.hand), rows=self.rows or self.due)
        if wait is not None:
            self._alarm.set(wait)
        if unit is not None:
            lane.take(unit, token=True)
            return False
        if lane.may_go:
            return True  # it opened, and nothing is in the way any more
        self.due = self.due and wait is not None  # if there are rows the poll will say so again
        return False
