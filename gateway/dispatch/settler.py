"""Writes what the lanes have decided: grouped while one commit is under way, kept in memory while the store is away."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from random import Random
from typing import Final

from gateway.dispatch.follow_ups import FollowUps
from gateway.dispatch.leased_delivery import LeasedDelivery
from gateway.errors import ItemRefused, StoreError
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog
from gateway.store.records import Accepted, Settlement
from gateway.store.store import Store

log = import_structlog().get_logger("gateway.dispatcher")

OUTCOMES_PER_ITEM_MAX: Final = 512  # outcomes in one item of the store's queue
FIRST_PAUSE_SECONDS: Final = 0.1  # seconds between two tries while the store fails
PAUSE_SECONDS_MAX: Final = 5.0

Settled = Callable[[LeasedDelivery, bool], None]
Stored = Callable[[FollowUps, Sequence[Accepted]], None]


class Settler:
    """One per dispatcher. What is handed in is written sooner or later; `settled(member, kept)` is called when it is.

    Bounded by the slots of the lanes: each outcome here holds one.
    """

    def __init__(self, store: Store, clock: Clock, rng: Random) -> None:
        self._store = store
        self._clock = clock
        self._rng = rng
        self._outcomes: deque[tuple[LeasedDelivery, Settlement, Settled]] = deque()
        self._returns: deque[tuple[LeasedDelivery, tuple[int, str], Settled]] = deque()
        self._followed: deque[tuple[LeasedDelivery, Settlement, FollowUps, Settled, Stored]] = deque()
        self._bell = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self.failing = False  # outcomes wait for the store: lanes claim nothing

    def settle(self, member: LeasedDelivery, settlement: Settlement, settled: Settled) -> None:
        """Write this outcome; `settled(member, False)` means that the lease had been lost."""
        self._outcomes.append((member, settlement, settled))
        self._ring()

    def settle_with(
        self, member: LeasedDelivery, settlement: Settlement, follow_ups: FollowUps, settled: Settled, stored: Stored
    ) -> None:
        """The same together with the events that follow on it; `stored` hears what became of these, if they were."""
        self._followed.append((member, settlement, follow_ups, settled, stored))
        self._ring()

    def release(self, member: LeasedDelivery, delay: int, settled: Settled, queue: str = "") -> None:
        """Release what was not begun; it comes due again after `delay` ms, where it joins a `queue` behind what is in it."""
        self._returns.append((member, (delay, queue), settled))
        self._ring()

    @property
    def pending(self) -> int:
        """How many outcomes and releases are not written yet."""
        return len(self._outcomes) + len(self._followed) + len(self._returns)

    async def write_until_cancelled(self) -> None:
        """Write until cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            await self._bell.wait()
            try:
                await self._write()
            except Exception as error:  # whatever it is, outcomes are not dropped: they are tried again
                if not self.failing:
                    known = isinstance(error, StoreError)
                    log.warning("outcomes_wait", error=str(error), pending=self.pending, exc_info=not known)
                self.failing = True
                await self._clock.sleep(pause * self._rng.uniform(0.5, 1.0))
                pause = min(pause * 2, PAUSE_SECONDS_MAX)
                continue
            if self.failing:
                log.info("outcomes_written", pending=self.pending)
            self.failing, pause = False, FIRST_PAUSE_SECONDS
            if not self.pending:
                self._bell.clear()
                self._empty.set()

    async def drained(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until all is written."""
        try:
            async with asyncio.timeout(timeout):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def _ring(self) -> None:
        self._empty.clear()
        self._bell.set()

    async def _write(self) -> None:
        if self._returns:
            await self._write_returns()
        while self._followed:
            await self._write_followed()
        batch = list(islice(self._outcomes, OUTCOMES_PER_ITEM_MAX))
        if not batch:
            return
        settlements = [settlement for _, settlement, _ in batch]
        try:
            kept = await self._store.settle(settlements)
        except ItemRefused:  # one of them: nobody says which
            for _ in batch:
                await self._write_alone()
            return
        for (member, _, settled), mine in zip(batch, kept, strict=True):
            self._outcomes.popleft()
            _call_back(settled, member, mine)

    async def _write_alone(self) -> None:
        """The first outcome by itself; one that the database refuses is written bare, else left to its lease."""
        member, settlement, settled = self._outcomes[0]
        mine = False
        for version in (settlement, settlement.replace(detail="", memo=None)):
            try:
                (mine,) = await self._store.settle([version])
                break
            except ItemRefused as error:
                log.error("outcome_refused", delivery=settlement.delivery, error=str(error))
        self._outcomes.popleft()
        _call_back(settled, member, mine)

    async def _write_followed(self) -> None:
        """One outcome with what follows on it; where the database refuses that, the outcome alone, which says so."""
        member, settlement, follow_ups, settled, stored = self._followed[0]
        try:
            written = await self._store.settle_with(settlement, follow_ups.events)
        except ItemRefused as error:
            self._followed.popleft()
            log.error("follow_ups_refused", delivery=settlement.delivery, error=str(error))
            detail = f"{settlement.detail}; its follow-ups are not stored: the database refuses them".removeprefix("; ")
            self.settle(member, settlement.replace(detail=detail), settled)
            return
        self._followed.popleft()
        _call_back(settled, member, written.kept)
        if written.kept:
            _hear(stored, follow_ups, written.accepted, settlement.delivery)

    async def _write_returns(self) -> None:
        batch = list(islice(self._returns, OUTCOMES_PER_ITEM_MAX))
        alike: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
        for member, (delay, queue), _ in batch:
            lease = member.lease
            alike.setdefault((lease.sink if queue else "", queue, delay), []).append((lease.delivery, lease.token))
        for (sink, queue, delay), pairs in alike.items():
            if queue:
                await self._store.join_queue(sink, queue, pairs, delay=delay)
            else:
                await self._store.release(pairs, delay=delay)
        for member, _, settled in batch:  # a release that is written twice changes nothing: its token is spent
            self._returns.popleft()
            _call_back(settled, member, True)


def _hear(stored: Stored, follow_ups: FollowUps, accepted: Sequence[Accepted], delivery: int) -> None:
    try:
        stored(follow_ups, accepted)
    except Exception:
        log.exception("follow_ups_not_announced", delivery=delivery)


def _call_back(settled: Settled, member: LeasedDelivery, kept: bool) -> None:
    """What is written is written: whoever cannot take that in must not have it, or the ones behind it, written again."""
    try:
        settled(member, kept)
    except Exception:
        log.exception("settled_failed", delivery=member.lease.delivery)
