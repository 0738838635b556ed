"""Tells sinks that keep something of an event what people erased: every sink here, all of it, until it takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from gateway.dispatch.attempt import bounded
from gateway.dispatch.lane import Lane
from gateway.dispatch.outcome import describe
from gateway.errors import StoreError
from gateway.model import Erased
from gateway.plugin import Sink
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog
from gateway.store.store import Store

log = import_structlog().get_logger("gateway.dispatcher")

RETRY_SECONDS: Final = 10.0  # until a sink that could not let go is asked again
CALL_SECONDS_MAX: Final = 60.0  # of one call


class _ReachedSink:
    """How far the log was told to one sink, and what tells it now. From the beginning at each start, because nobody writes it down."""

    def __init__(self) -> None:
        self.after = 0
        self.again_at = 0.0  # monotonic seconds
        self.failing = False
        self.task: asyncio.Task[None] | None = None


class ErasureNotices:
    """One per dispatcher; called from its poll."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._reached: dict[Sink, _ReachedSink] = {}

    def spread(self, lanes: Mapping[str, Lane]) -> None:
        """Begin to tell every sink that wants to know and is open; returns at once, because one that hangs delays no other."""
        sinks = {
            lane.sink for lane in lanes.values() if type(lane.sink).erased is not Sink.erased and lane.prober.opened
        }
        for gone in self._reached.keys() - sinks:
            self._cancel_task(self._reached.pop(gone))
        for sink in sinks:
            reached = self._reached.setdefault(sink, _ReachedSink())
            if (reached.task is None or reached.task.done()) and self._clock.monotonic() >= reached.again_at:
                reached.task = asyncio.create_task(self._notify(sink, reached), name=f"erasures: {sink.name}")

    @property
    def busy(self) -> Sequence[str]:
        """The sinks that are being told now."""
        return [
            sink.name for sink, reached in self._reached.items() if reached.task is not None and not reached.task.done()
        ]

    async def close(self) -> None:
        """Nobody is told any more."""
        tasks = [task for reached in self._reached.values() if (task := self._cancel_task(reached)) is not None]
        self._reached.clear()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _cancel_task(self, reached: _ReachedSink) -> asyncio.Task[None] | None:
        if reached.task is not None:
            reached.task.cancel()
        return reached.task

    async def _notify(self, sink: Sink, reached: _ReachedSink) -> None:
        try:
            while rows := await self._store.erasures(reached.after):
                events = [Erased(row.source, row.ref, datetime.fromtimestamp(row.at / 1000, UTC)) for row in rows]
                failure = await bounded(lambda: sink.erased(events), CALL_SECONDS_MAX)  # noqa: B023  called at once
                if isinstance(failure, BaseException):
                    self._failed(sink, reached, describe(failure))
                    return
                reached.after = rows[-1].id
                if reached.failing:
                    log.info("erasures_told", sink=sink.name)
                reached.failing = False
        except Exception as error:  # whatever it is, they are told later
            self._failed(sink, reached, str(error) if isinstance(error, StoreError) else describe(error))

    def _failed(self, sink: Sink, reached: _ReachedSink, why: str) -> None:
        if not reached.failing:
            log.warning("erasures_not_told", sink=sink.name, error=why)
        reached.failing = True
        reached.again_at = self._clock.monotonic() + RETRY_SECONDS
