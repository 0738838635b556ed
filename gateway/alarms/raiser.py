"""Looks once a second for what people must be told, and stores it as events; one gateway of several does it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final, Protocol

from gateway.alarms.alarm_event import alarm_event, new_alarm
from gateway.alarms.key_watch import LOOK_SECONDS as KEY_LOOK_SECONDS
from gateway.alarms.key_watch import KeyWatch
from gateway.errors import StoreError
from gateway.model import RELOAD_REFUSED, STORE_LIMIT, Event
from gateway.routing import RoutingDecision
from gateway.runtime.background import Bell, end_tasks
from gateway.runtime.clock import Clock
from gateway.runtime.duty import Duties
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.metrics import Metrics
from gateway.states import AlarmType
from gateway.store.engine.reruns import RERUNS
from gateway.store.outbox.conditions import AlarmDue, Announced, Seen
from gateway.store.records import NewEvent
from gateway.store.store import Store
from gateway.text.signing_key import SigningKey

log = import_structlog().get_logger("gateway.alarms")

LOOK_SECONDS: Final = 1.0
LIMIT_RAISED_SHARE: Final = 0.8  # part of a limit of the store that is used
LIMIT_OVER_SHARE: Final = 0.7  # apart from the other, so that what goes up and down around one of them is told once
STORE: Final = "store"
CONFIGURATION: Final = "configuration"


class Setup(Protocol):
    """What alarms need to know of the configuration that runs now."""

    @property
    def every_ms(self) -> int: ...
    @property
    def language(self) -> str: ...
    @property
    def page(self) -> str | None: ...
    @property
    def keys(self) -> Mapping[str, Sequence[SigningKey]]: ...
    @property
    def key_ahead(self) -> timedelta: ...


class AlarmRaiser:
    """One a gateway. `stored` hears of each alarm after its commit, in the loop."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        decide: Callable[[Event], RoutingDecision],
        stored: Callable[[Event, Announced], None],
        *,
        setup: Callable[[], Setup],
        duties: Duties,
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        metrics.store_reruns.count = RERUNS.count
        self._setup = setup
        self._decide = decide
        self._stored = stored
        self._seen: dict[tuple[str, str], Seen] = {}  # what holds, and what ended and was not told yet
        self._ended: set[tuple[str, str]] = set()  # what this process last saw end
        self._keys = KeyWatch(store, clock, setup, self.see)
        self._bell = Bell(clock)
        self._duties = duties
        self._tasks: list[asyncio.Task[None]] = []
        self._logged: dict[str, float] = {}  # type -> when it was last logged that it could not be stored

    async def open(self) -> None:
        """Begin. Raises StoreError."""
        self.see(RELOAD_REFUSED, CONFIGURATION, False)  # what was started is what the file says
        await self._store.begin_alarms()
        self._tasks = [
            self._duties.run_every("alarms", self.store_due, LOOK_SECONDS, bell=self._bell),
            self._duties.run_every("keys", self._keys.see_endings, KEY_LOOK_SECONDS),
        ]

    async def close(self) -> None:
        """Stop looking; what is due then is told by another gateway, or at the next start."""
        await end_tasks(*self._tasks)

    def see(self, type: AlarmType, about: str, holds: bool, detail: str = "") -> None:
        """This process sees that a condition begins or ends; it is told once, whoever else sees it."""
        if self._notice(Seen(type, about, holds, detail)):
            self.ring()

    def _notice(self, seen: Seen) -> bool:
        """Whether it is news. That a condition does not hold here ends what another gateway sees only where it held here, or once
        for the process that was here before: else two that disagree would begin and end it for ever."""
        if seen.holds:
            self._ended.discard(seen.name)
        elif seen.name in self._ended:
            return False
        else:
            self._ended.add(seen.name)
        self._seen[seen.name] = seen
        return True

    def ring(self) -> None:
        """Look now, not within a second."""
        self._bell.ring()

    # -- looking

    @property
    def busy(self) -> bool:
        """Whether it looks now."""
        return self._duties.busy("alarms") or self._duties.busy("keys")

    async def store_due(self) -> None:
        """Once: what is due is stored, or it is logged that it could not be."""
        self._look_at_limits()
        setup = self._setup()
        seen = tuple(self._seen.values())
        due: Sequence[AlarmDue] = ()
        events: dict[AlarmDue, Event] = {}

        def make(alarm: AlarmDue) -> NewEvent:
            event = events[alarm] = alarm_event(alarm, language=setup.language, page=setup.page)
            return new_alarm(event, self._decide(event))

        try:
            wanted, due = await self._store.survey_alarms(seen, setup.every_ms)
            announced = await self._store.announce(seen, setup.every_ms, make) if wanted else ()
        except StoreError as error:
            self._not_stored(due, seen, error)
            return
        for one_seen in seen:
            if not one_seen.holds and self._seen.get(one_seen.name) is one_seen:
                del self._seen[one_seen.name]
        for one in announced:
            self._metrics.alarms.labels(one.due.type).inc()
            self._stored(events[one.due], one)

    def _look_at_limits(self) -> None:
        used, detail = self._store.limit_used()
        self._metrics.store_limit_used.set(used)
        if used >= LIMIT_RAISED_SHARE or used < LIMIT_OVER_SHARE:
            self._notice(Seen(STORE_LIMIT, STORE, used >= LIMIT_RAISED_SHARE, detail))

    def _not_stored(self, due: Sequence[AlarmDue], seen: Sequence[Seen], error: StoreError) -> None:
        """What cannot be stored can still be read in the log, and counted; once a while of each type."""
        lost = {alarm.type: (alarm.about, alarm.detail) for alarm in due}
        lost |= {one.type: (one.about, one.detail) for one in seen if one.holds}
        now = self._clock.monotonic()
        for type, (about, detail) in lost.items():
            if now - self._logged.get(type, -1e9) >= self._setup().every_ms / 1000:
                self._logged[type] = now
                self._metrics.alarms_lost.labels(type).inc()
                log.error("alarm_not_stored", type=type, about=about, detail=detail, error=str(error))
