"""Joins events into recordings while the gateway runs, and tells what did not come: in small steps behind everything else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Protocol

from gateway.model import RECORDING_OVERDUE, RECORDING_RECOVERED, SOURCE_SILENT, Event
from gateway.recordings.silence import silent_sources
from gateway.recordings.watch_event import new_watch_event, watch_event
from gateway.recordings.watch_setup import WatchSetup
from gateway.routing import RoutingDecision
from gateway.runtime.clock import Clock
from gateway.runtime.duty import Duties
from gateway.states import AlarmType
from gateway.store.outbox import activity
from gateway.store.outbox.recording_joins import Followed
from gateway.store.outbox.watch_due import Told, WatchDue
from gateway.store.records import NewEvent
from gateway.store.store import Store

LOOK_SECONDS: Final = 1.0  # between two looks for what is new
MORE_SECONDS: Final = 0.1  # between two pieces of what is overdue
REST_SHARE: Final = 49.0  # times as long as a full step took it rests, so that accepting loses 2 % to it at most
QUIET_REST_SHARE: Final = (
    9.0  # where nobody was accepted for QUIET_SECONDS: what came in a storm is joined soon after it
)
QUIET_SECONDS: Final = 1.0


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
        self._applying = asyncio.Lock()
        self._waited_since = clock.now()  # for sources that were never heard

    def start(self, duties: Duties) -> list[asyncio.Task[None]]:
        """Begin: to join, to tell what did not come, and to see which sources are silent. Neither waits for another."""
        return [
            duties.run_every("recordings", self._follow, LOOK_SECONDS),
            duties.run_every("overdue", self.tell_due, LOOK_SECONDS),
            duties.run_every("silence", self.look_for_silence, LOOK_SECONDS),
        ]

    async def _follow(self) -> float:
        followed = await self.join_next()
        if not followed.more:
            return LOOK_SECONDS
        quiet = not self._store.accepted_within(QUIET_SECONDS)
        return min(followed.seconds * (QUIET_REST_SHARE if quiet else REST_SHARE), LOOK_SECONDS)

    async def join_next(self) -> Followed:
        """One step. Raises StoreError."""
        followed = await self._store.follow_recordings((await self._applied_setup()).events)
        self._metrics.recording_events.inc(followed.looked)
        return followed

    async def _applied_setup(self) -> WatchSetup:
        """The rules of the configuration that runs now, once recordings wait by them."""
        async with self._applying:
            setup = self._setup()
            if setup != self._applied:
                await self._store.apply_watches(setup.events)
                self._applied = setup
                for rule in setup.events:  # at 0 from the start, because a series that begins at 1 has no increase
                    for type in (RECORDING_OVERDUE, RECORDING_RECOVERED):
                        self._metrics.watches_told.labels(rule.name, type)
            return setup

    async def tell_due(self) -> float:
        """Tell what is overdue, or came after all; the seconds until the next time. Raises StoreError.

        What is overdue is told once everything that came in time is joined, because what is waited for may be among it.
        """
        setup = await self._applied_setup()
        return MORE_SECONDS if await self._store_due(setup) else LOOK_SECONDS

    async def _store_due(self, setup: WatchSetup) -> bool:
        """Whether there may be more."""
        events: dict[str, Event] = {}

        def make(row: WatchDue, behind: Event) -> NewEvent:
            event = watch_event(row, behind)
            events[event.id] = event
            return new_watch_event(event, self._decide(event), self._keeps_order)

        told_now, more = await self._store.tell_watches(setup.events, make)
        for told in told_now:
            event = events[told.new.event.id]
            self._metrics.watches_told.labels(str(event.extra["watch"]), event.type).inc()
            self._stored(event, told)
        return more

    async def look_for_silence(self) -> None:
        """See which sources are silent, and which are not any more. Raises StoreError."""
        setup = self._setup()
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
