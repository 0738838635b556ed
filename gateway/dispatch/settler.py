"""Writes what the lanes have decided: grouped while one commit is under way, kept in memory while the store is away.

Outcomes, outcomes with what follows on them, and releases are written beside one another: none waits for the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from gateway.dispatch.follow_ups import FollowUps
from gateway.dispatch.leased_delivery import LeasedDelivery
from gateway.dispatch.pending_writes import PendingWrites
from gateway.errors import ItemRefused
from gateway.runtime.background import tireless
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog
from gateway.store.records import Accepted, Settlement
from gateway.store.store import Store

log = import_structlog().get_logger("gateway.dispatcher")

OUTCOMES_PER_ITEM_MAX: Final = 512  # outcomes in one item of the store's queue

TellSettled = Callable[[LeasedDelivery, bool], None]
TellStored = Callable[[FollowUps, Sequence[Accepted]], None]
Decided = tuple[LeasedDelivery, Settlement, TellSettled]
_FollowUpWrite = tuple[LeasedDelivery, Settlement, FollowUps, TellSettled, TellStored]
_Return = tuple[LeasedDelivery, tuple[int, str], TellSettled]


class Settler:
    """One per dispatcher. What is handed in is written sooner or later; `settled(member, kept)` is called when it is.

    Bounded by the slots of the lanes: each outcome here holds one.
    """

    def __init__(self, store: Store, clock: Clock, rng: Random) -> None:
        self._store = store
        self._clock = clock
        self._outcomes: PendingWrites[Decided] = PendingWrites("outcomes", self._write, clock, rng)
        self._followed: PendingWrites[_FollowUpWrite] = PendingWrites("outcomes", self._write_followed, clock, rng)
        self._returns: PendingWrites[_Return] = PendingWrites("releases", self._write_returns, clock, rng)
        self._all: Sequence[PendingWrites[Decided] | PendingWrites[_FollowUpWrite] | PendingWrites[_Return]] = (
            self._outcomes,
            self._followed,
            self._returns,
        )

    def start(self) -> list[asyncio.Task[None]]:
        """Begin to write."""
        return [tireless(f"writes of {one.name}", one.write_until_cancelled, self._clock) for one in self._all]

    @property
    def failing(self) -> bool:
        """Whether outcomes wait for the store: lanes claim nothing."""
        return self._outcomes.failing or self._followed.failing

    def settle(self, member: LeasedDelivery, settlement: Settlement, settled: TellSettled) -> None:
        """Write this outcome; `settled(member, False)` means that the lease had been lost."""
        self._outcomes.add((member, settlement, settled))

    def settle_all(self, outcomes: Sequence[Decided]) -> None:
        """Write these, which came together."""
        self._outcomes.add_all(outcomes)

    def settle_with(
        self,
        member: LeasedDelivery,
        settlement: Settlement,
        follow_ups: FollowUps,
        settled: TellSettled,
        stored: TellStored,
    ) -> None:
        """The same together with the events that follow on it; `stored` hears what became of these, if they were."""
        self._followed.add((member, settlement, follow_ups, settled, stored))

    def release(self, member: LeasedDelivery, delay: int, settled: TellSettled, queue: str = "") -> None:
        """Release what was not begun; it comes due again after `delay` ms, where it joins a `queue` behind what is in it."""
        self._returns.add((member, (delay, queue), settled))

    @property
    def pending(self) -> int:
        """How many outcomes and releases are not written yet."""
        return len(self._outcomes.rows) + len(self._followed.rows) + len(self._returns.rows)

    async def drained(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until all is written."""
        try:
            async with asyncio.timeout(timeout):
                while self.pending:  # what is refused with its follow-ups is an outcome then
                    for one in self._all:
                        await one.empty.wait()
        except TimeoutError:
            return False
        return True

    async def _write(self) -> None:
        batch = self._outcomes.first(OUTCOMES_PER_ITEM_MAX)
        settlements = [settlement for _, settlement, _ in batch]
        try:
            kept = await self._store.settle(settlements)
        except ItemRefused:  # one of them: nobody says which
            for _ in batch:
                await self._write_alone()
            return
        for (member, _, settled), mine in zip(batch, kept, strict=True):
            self._outcomes.rows.popleft()
            _call_back(settled, member, mine)

    async def _write_alone(self) -> None:
        """The first outcome by itself; one that the database refuses is written bare, else left to its lease."""
        member, settlement, settled = self._outcomes.rows[0]
        mine = False
        for version in (settlement, settlement.replace(detail="", memo=None)):
            try:
                (mine,) = await self._store.settle([version])
                break
            except ItemRefused as error:
                log.error("outcome_refused", delivery=settlement.delivery, error=str(error))
        self._outcomes.rows.popleft()
        _call_back(settled, member, mine)

    async def _write_followed(self) -> None:
        """One outcome with what follows on it; where the database refuses that, the outcome alone, which says so."""
        member, settlement, follow_ups, settled, stored = self._followed.rows[0]
        try:
            written = await self._store.settle_with(settlement, follow_ups.events)
        except ItemRefused as error:
            log.error("follow_ups_refused", delivery=settlement.delivery, error=str(error))
            detail = f"{settlement.detail}; its follow-ups are not stored: the database refuses them".removeprefix("; ")
            self.settle(member, settlement.replace(detail=detail), settled)
            self._followed.rows.popleft()
            return
        self._followed.rows.popleft()
        _call_back(settled, member, written.kept)
        if written.kept:
            _hear(stored, follow_ups, written.accepted, settlement.delivery)

    async def _write_returns(self) -> None:
        batch = self._returns.first(OUTCOMES_PER_ITEM_MAX)
        alike: dict[tuple[str, str, int], list[tuple[int, int]]] = {}
        for member, (delay, queue), _ in batch:
            lease = member.lease
            alike.setdefault((lease.sink if queue else "", queue, delay), []).append((lease.delivery, lease.token))
        refused: set[int] = set()
        for (sink, queue, delay), pairs in alike.items():
            refused |= await self._return(sink, queue, pairs, delay)
        for member, _, settled in batch:  # a release that is written twice changes nothing: its token is spent
            self._returns.rows.popleft()
            _call_back(settled, member, member.lease.delivery not in refused)

    async def _return(self, sink: str, queue: str, pairs: Sequence[tuple[int, int]], delay: int) -> set[int]:
        """Give these back; those that the database refuses even alone, which are left to their leases."""
        try:
            if queue:
                await self._store.join_queue(sink, queue, pairs, delay=delay)
            else:
                await self._store.release(pairs, delay=delay)
        except ItemRefused as error:
            if len(pairs) > 1:
                return {id_ for pair in pairs for id_ in await self._return(sink, queue, [pair], delay)}
            log.error("release_refused", delivery=pairs[0][0], error=str(error))
            return {pairs[0][0]}
        return set()


def _hear(stored: TellStored, follow_ups: FollowUps, accepted: Sequence[Accepted], delivery: int) -> None:
    try:
        stored(follow_ups, accepted)
    except Exception:
        log.exception("follow_ups_not_announced", delivery=delivery)


def _call_back(settled: TellSettled, member: LeasedDelivery, kept: bool) -> None:
    """What is written is written: whoever cannot take that in must not have it, or the ones behind it, written again."""
    try:
        settled(member, kept)
    except Exception:
        log.exception("settled_failed", delivery=member.lease.delivery)
