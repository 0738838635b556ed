"""Joins events into recordings while the gateway runs, and tells what did not come: in small steps behind everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

from gateway.errors import StoreError
from gateway.model import RECORDING_OVERDUE, RECORDING_RECOVERED, SOURCE_SILENT, Event
from gateway.recordings.silence import silent_sources
from gateway.recordings.watch_event import new_watch_event, watch_event
from gateway.recordings.watch_setup import WatchSetup
from gateway.routing import RoutingDecision
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog
from gateway.states import AlarmType
from gateway.store.outbox import activity
from gateway.store.outbox.recording_joins import Followed
from gateway.store.outbox.watch_due import Told, WatchDue
from gateway.store.records import NewEvent
from gateway.store.store import Store

LOOK_SECONDS: Final = 1.0  # between two looks for what is new
REST_SHARE: Final = 49.0  # times as long as a full step took it rests, so that accepting loses 2 % to it at most
QUIET_REST_SHARE: Final = (
    9.0  # where nobody was accepted for QUIET_SECONDS: what came in a storm is joined soon after it
)
QUIET_SECONDS: Final = 1.0
log = import_structlog().get_logger("gateway.recordings")


class GrowingMetric(Protocol):
    """A metric that only grows."""

    def inc(self, amount: float = 1) -> None: ...


class LabelledMetric(Protocol):
    """One for each value of its labels."""

    def labels(self, *values: str) -> GrowingMetric: ...


class FollowerMetrics(Protocol):
    """Where it is counted."""

    @property
    def watches_told(self) -> LabelledMetric: ...

    @property
    def recording_events(self) -> GrowingMetric: ...


class RecordingFollower:
    """One a gateway. `setup` gives the rules of the configuration that runs now, `keeps_order` says whether a sink has
    `order: stream`, `stored` hears of each event that was told, `see` is where alarms take in what a process sees."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        metrics: FollowerMetrics,
        decide: Callable[[Event], RoutingDecision],
        stored: Callable[[Event, Told], None],
        *,
        setup: Callable[[], WatchSetup],
        keeps_order: Callable[[str], bool],
        see: Callable[[AlarmType, str, bool, str], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._setup = setup
        self._decide = decide
        self._keeps_order = keeps_order
        self._stored = stored
        self._see = see
        self._applied: WatchSetup | None = None
        self._waited_since = clock.now()  # for sources that were never heard

    async def follow_until_cancelled(self) -> None:
        """Look, and look again; what goes wrong is tried again at the next look."""
        while True:
            rest = LOOK_SECONDS
            try:
                followed = await self.look_once()
                if followed.more:
                    quiet = not self._store.accepted_within(QUIET_SECONDS)
                    rest = min(followed.seconds * (QUIET_REST_SHARE if quiet else REST_SHARE), LOOK_SECONDS)
            except StoreError as error:
                log.warning("recordings_not_followed", error=str(error))
            except Exception:
                log.exception("recordings_not_followed")
            await self._clock.sleep(rest)

    async def look_once(self) -> Followed:
        """One step, and what is due after it. Raises StoreError.

        Nothing is told while events wait to be joined, because what is waited for may be among them.
        """
        setup = self._setup()
        if setup != self._applied:
            await self._store.apply_watches(setup.events)
            self._applied = setup
            for rule in setup.events:  # at 0 from the start, because a series that begins at 1 has no increase
                for type in (RECORDING_OVERDUE, RECORDING_RECOVERED):
                    self._metrics.watches_told.labels(rule.name, type)
        followed = await self._store.follow_recordings(setup.events)
        self._metrics.recording_events.inc(followed.looked)
        if not followed.more:
            await self._store_due(setup)
            await self._look_for_silence(setup)
        return followed

    async def _store_due(self, setup: WatchSetup) -> None:
        events: dict[str, Event] = {}

        def make(row: WatchDue, behind: Event) -> NewEvent:
            event = watch_event(row, behind)
            events[event.id] = event
            return new_watch_event(event, self._decide(event), self._keeps_order)

        for told in await self._store.tell_watches(setup.events, make):
            event = events[told.new.event.id]
            self._metrics.watches_told.labels(str(event.extra["watch"]), event.type).inc()
            self._stored(event, told)

    async def _look_for_silence(self, setup: WatchSetup) -> None:
        if not setup.silence:
            return
        known = await self._store.ask(activity.all_activity)
        heard: Mapping[str, datetime] = {
            rule.source: datetime.fromtimestamp(row.seen_at / 1000, UTC)
            if (row := known.get(rule.source)) is not None and row.seen_at is not None
            else self._waited_since
            for rule in setup.silence
        }
        for source, (silent, names) in silent_sources(setup.silence, self._clock.now(), heard).items():
            self._see(SOURCE_SILENT, source, silent, names)
