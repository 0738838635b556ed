"""A sink's rate where gateways share a store: each has a share of the tokens, renewed aside from the way of events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from gateway.errors import StoreError
from gateway.runtime.background import Bell
from gateway.runtime.clock import Clock
from gateway.runtime.duty import Duties
from gateway.runtime.lean_imports import import_structlog
from gateway.store.outbox.rates import HOLD_MS, RateUse
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.dispatch.lane import Lane

log = import_structlog().get_logger("gateway.dispatcher")

RENEW_SECONDS: Final = HOLD_MS / 5000  # five times within what a share lasts


class SharedRates:
    """One dispatcher's. A gateway that has its store to itself has every rate to itself, and asks for nothing."""

    def __init__(self, store: Store, clock: Clock, lanes: Callable[[], Mapping[str, Lane]]) -> None:
        self._store = store
        self._clock = clock
        self._lanes = lanes
        self._bell = Bell(clock)

    def enrol(self, lane: Lane) -> None:
        """A new lane has no tokens before it was given a share."""
        if lane.pace is not None and self._store.shared:
            lane.pace.grant(0, 0.0)
            self._bell.ring()

    async def start(self, duties: Duties) -> list[asyncio.Task[None]]:
        """Begin to ask for shares; the first are there when this returns, where the store can give them."""
        if not self._store.shared:
            return []
        with contextlib.suppress(StoreError):  # it is asked again at once, and said then
            await self.renew()
        return [duties.run_every("rates", self.renew, RENEW_SECONDS, bell=self._bell)]

    async def renew(self) -> None:
        """Ask for the shares again. Raises StoreError: a share that is not renewed ends, and what waits waits."""
        now = self._clock.monotonic()
        uses = self._uses(now)
        if not uses:
            return
        shares = await self._store.share_rates(uses)
        lanes = self._lanes()
        for sink, share in shares.items():
            lane = lanes.get(sink)
            if lane is None or lane.pace is None:  # a reload took it away meanwhile
                continue
            grown = share > lane.pace.share
            lane.pace.grant(share, now + HOLD_MS / 1000)
            if grown:
                lane.ring()

    async def leave(self) -> None:
        """This gateway ends: others need not wait until its shares do."""
        uses = self._uses(self._clock.monotonic()) if self._store.shared else []
        if uses:
            try:
                await self._store.leave_rates(uses)
            except StoreError as error:
                log.info("rates_not_left", error=str(error))

    def _uses(self, now: float) -> list[RateUse]:
        return [
            RateUse(name, lane.pace.count, round(lane.pace.seconds * 1000), lane.pace.used(now))
            for name, lane in self._lanes().items()
            if lane.pace is not None
        ]
