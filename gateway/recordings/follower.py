"""Joins events into recordings while the gateway runs: in small steps behind everything else, one gateway at a time."""

from __future__ import annotations

from typing import Final, Protocol

import structlog

from gateway.errors import StoreError
from gateway.runtime.clock import Clock
from gateway.store.outbox.recording_joins import STEP_ROWS_MAX, Followed
from gateway.store.store import Store

LOOK_SECONDS: Final = 1.0  # between two looks for what is new
REST_SHARE: Final = 49.0  # times as long as a full step took it rests, so that accepting loses 2 % to it at most
log = structlog.get_logger("gateway.recordings")


class GrowingMetric(Protocol):
    """A metric that only grows."""

    def inc(self, amount: float = 1) -> None: ...


class FollowerMetrics(Protocol):
    """Where it is counted."""

    @property
    def recording_events(self) -> GrowingMetric: ...


class RecordingFollower:
    """One a gateway."""

    def __init__(self, *, store: Store, clock: Clock, metrics: FollowerMetrics) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics

    async def follow_until_cancelled(self) -> None:
        """Look, and look again; what goes wrong is tried again at the next look."""
        while True:
            rest = LOOK_SECONDS
            try:
                followed = await self.follow_once()
                if followed.looked == STEP_ROWS_MAX:
                    rest = min(followed.seconds * REST_SHARE, LOOK_SECONDS)
            except StoreError as error:
                log.warning("recordings_not_followed", error=str(error))
            except Exception:
                log.exception("recordings_not_followed")
            await self._clock.sleep(rest)

    async def follow_once(self) -> Followed:
        """One step. Raises StoreError."""
        followed = await self._store.follow_recordings()
        self._metrics.recording_events.inc(followed.looked)
        return followed
