"""The gateway's care for its store: asked whether it takes writes, told who serves it, and swept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Final

from gateway.errors import StoreError
from gateway.runtime.background import tireless
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog
from gateway.store.store import Store

log = import_structlog().get_logger("gateway.app")  # the gateway's own lines, wherever in it they are written

PROBE_INTERVAL_SECONDS: Final = 5.0  # seconds between two commits made only to know that the store works
SERVE_INTERVAL_SECONDS: Final = 60.0  # seconds; the store takes three minutes of silence for a gateway that was away
SWEEP_INTERVAL_SECONDS: Final = 60.0  # seconds between two passes of retention


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

    def start(self) -> list[asyncio.Task[None]]:
        """Say once a minute which sinks are served, and sweep beside that: a pass may take longer than the silence in which
        a sink counts as left alone."""
        return [
            tireless("serving", self._serve_until_cancelled, self._clock),
            tireless("retention", self._sweep_until_cancelled, self._clock),
        ]

    async def _serve_until_cancelled(self) -> None:
        while True:
            await self._clock.sleep(SERVE_INTERVAL_SECONDS)
            with _said_in_the_log():
                await self.serve()

    async def _sweep_until_cancelled(self) -> None:
        while True:
            await self._clock.sleep(SWEEP_INTERVAL_SECONDS)
            with _said_in_the_log():
                if deleted := await self._store.sweep():
                    log.info("retention", deleted=deleted)


@contextlib.contextmanager
def _said_in_the_log() -> Iterator[None]:
    """What fails once is tried again within a minute."""
    try:
        yield
    except StoreError as error:
        log.warning("housekeeping_failed", error=str(error))
    except Exception:
        log.exception("housekeeping_failed")
