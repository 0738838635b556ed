"""The gateway's care for its store: asked whether it takes writes, told who serves it, and swept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from typing import Final

from gateway.errors import StoreError
from gateway.runtime.clock import Clock
from gateway.runtime.duty import Duties
from gateway.runtime.lean_imports import import_structlog
from gateway.store.store import Store

log = import_structlog().get_logger("gateway.app")  # the gateway's own lines, wherever in it they are written

PROBE_INTERVAL_SECONDS: Final = 5.0  # seconds between two commits made only to know that the store works
SERVE_INTERVAL_SECONDS: Final = 60.0  # seconds; the store takes three minutes of silence for a gateway that was away
SWEEP_INTERVAL_SECONDS: Final = 60.0  # seconds between two passes of retention
SWEEP_SECONDS_MAX: Final = 6 * 3600.0  # of one pass, before a person is told: the first over a large store takes hours
REPAIR_INTERVAL_SECONDS: Final = 3600.0  # seconds between two looks for rows that a clock jump put too far ahead
BEAT_LOOK_SECONDS: Final = 1.0  # seconds between two looks whether the writer gave its sign of life in time
KEY_INTERVAL_SECONDS: Final = 60.0  # seconds between two goes at a change of the key


class StoreKeeper:
    """Looks after a store for the sinks whose names `sinks` gives."""

    def __init__(self, store: Store, sinks: Callable[[], Collection[str]], clock: Clock) -> None:
        self._store, self._sinks, self._clock = store, sinks, clock
        self._probed_at: float | None = None

    async def state(self) -> str:
        """For readiness: `ok`, or why callbacks cannot be stored; it is probed at most once in 5 s."""
        now = self._clock.monotonic()
        if self._probed_at is None or now - self._probed_at >= PROBE_INTERVAL_SECONDS:
            self._probed_at = now
            with contextlib.suppress(StoreError):
                await self._store.ping()
        if not self._store.healthy():
            return "unavailable"
        if self._store.full():
            return "over its limits"
        return "busy" if self._store.busy() else "ok"

    async def serve(self) -> None:
        """Tell the store which sinks are served. Raises StoreError."""
        await self._store.serving(list(self._sinks()))

    def start(self, duties: Duties) -> list[asyncio.Task[None]]:
        """Say once a minute which sinks are served, sweep, and see to what clocks and keys leave behind: each by itself, because
        a pass over a large store may take longer than the silence in which a sink counts as left alone."""
        begun = [
            duties.run_every("serving", self.serve, SERVE_INTERVAL_SECONDS, first=SERVE_INTERVAL_SECONDS),
            duties.run_every(
                "retention",
                self._sweep,
                SWEEP_INTERVAL_SECONDS,
                first=SWEEP_INTERVAL_SECONDS,
                patience=SWEEP_SECONDS_MAX,
            ),
            duties.run_every(
                "clock repair", self._store.repair_clocks, REPAIR_INTERVAL_SECONDS, first=REPAIR_INTERVAL_SECONDS
            ),
        ]
        if self._store.shared:
            begun.append(duties.run_every("sign of life", self._store.beat, BEAT_LOOK_SECONDS))
        if self._store.encrypted:
            begun.append(duties.run_every("key change", self._store.reencrypt, KEY_INTERVAL_SECONDS))
        return begun

    async def _sweep(self) -> None:
        if deleted := await self._store.sweep():
            log.info("retention", deleted=deleted)
