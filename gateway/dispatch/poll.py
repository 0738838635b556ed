"""What lanes hear again and again: what is due in the store, what came of time, and how deep their sinks' rows are for metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Final

from gateway.dispatch.erasure_notices import ErasureNotices
from gateway.dispatch.store_clock import StoreClock
from gateway.runtime.clock import Clock
from gateway.runtime.duty import Duties
from gateway.runtime.metrics import Metrics
from gateway.store.store import Store

if TYPE_CHECKING:
    from gateway.dispatch.lane import Lane

POLL_SECONDS: Final = (0.6, 1.0)  # between two polls, with jitter: what a person changes is seen within a second
TEND_SECONDS: Final = 1.0  # between two looks for workers that are stuck, and for sinks that are to hear of erasures
COUNT_INTERVAL_SECONDS: Final = 5.0  # seconds between two looks at the depths, for metrics


class LanePoll:
    """One dispatcher's. Each of the three is a duty of its own: a count that takes long holds up no delivery."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        store_clock: StoreClock,
        metrics: Metrics,
        rng: Random,
        lanes: Callable[[], Mapping[str, Lane]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._store_clock = store_clock
        self._metrics = metrics
        self._rng = rng
        self._lanes = lanes
        self._counted = set(lanes())
        self.erasures = ErasureNotices(store, clock)

    def start(self, duties: Duties) -> list[asyncio.Task[None]]:
        """Begin."""
        return [
            duties.run_every("poll", self._poll, POLL_SECONDS[1]),
            duties.run_every("stuck workers", self._tend, TEND_SECONDS),
            duties.run_every("depths", self._count, COUNT_INTERVAL_SECONDS),
        ]

    async def _poll(self) -> float:
        await self._poll_once()
        return self._rng.uniform(*POLL_SECONDS)

    async def _poll_once(self) -> None:
        versions = {name: lane.breaker.version for name, lane in self._lanes().items()}
        gates = await self._store.gates()
        before = self._clock.ms()
        found = await self._store.due()
        if found:
            self._store_clock.learn(found[0].now, before, self._clock.ms())
        due = {one.sink: one.at for one in found}
        _tell_all(
            self._lanes(),
            lambda name, lane: lane.note_poll(due.get(name), gates.get(name), versions.get(name, lane.breaker.version)),
        )

    async def _tend(self) -> None:
        """What needs no store, so that a store that is away makes it no later."""
        self.erasures.spread(self._lanes())
        _tell_all(self._lanes(), lambda _, lane: lane.tend())

    async def _count(self) -> None:
        """Depths and ages for metrics, also of sinks that are no longer configured: their deliveries wait too."""
        now = self._store_clock.ms()
        rows = await self._store.sinks()
        for name in self._counted.difference(row.name for row in rows):
            self._metrics.waiting.labels(name).set(0)
            self._metrics.oldest_waiting_seconds.labels(name).set(0)
        self._counted.update(row.name for row in rows)
        for row in rows:
            self._metrics.waiting.labels(row.name).set(row.waiting + row.sending)
            age = 0.0 if row.oldest_waiting_at is None else max(now - row.oldest_waiting_at, 0) / 1000
            self._metrics.oldest_waiting_seconds.labels(row.name).set(age)


def _tell_all(lanes: Mapping[str, Lane], tell: Callable[[str, Lane], None]) -> None:
    """Each of the lanes, also behind one that fails. Raises what the last of these raised."""
    failure: Exception | None = None
    for name, lane in lanes.items():
        try:
            tell(name, lane)
        except Exception as error:
            failure = error
    if failure is not None:
        raise failure
