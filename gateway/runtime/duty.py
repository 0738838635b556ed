"""What a gateway does again and again, each thing in a task of its own: one that fails or hangs makes no other late.

A pass is small where it uses what others use too (a step of so many rows), and says how long to rest after it. How late each
duty is can be seen at any time, also of one whose pass never ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from gateway.runtime.background import WORK_PAUSE_SECONDS_MAX, Bell, LoopFailures, is_cancelled, tireless
from gateway.runtime.clock import Clock

if TYPE_CHECKING:
    from prometheus_client import Counter

    from gateway.runtime.metrics import SecondsElsewhere

LATE_SECONDS_MAX: Final = 300.0  # past its time, before a person is told

DutyWork = Callable[[], Awaitable[float | None]]


class DutyMetrics(Protocol):
    """Where it is counted, and what asks how late each is."""

    @property
    def duty_failures(self) -> Counter: ...
    @property
    def duty_late_seconds(self) -> SecondsElsewhere: ...


class LateDuty(NamedTuple):
    """A duty that is late: by so many seconds."""

    name: str
    seconds: float


class Duty:
    """One thing. `work` is a pass: the seconds to rest after it, None: `every`. A `bell` brings the next pass forward."""

    def __init__(
        self, name: str, work: DutyWork, every: float, clock: Clock, *, bell: Bell | None = None, patience: float
    ) -> None:
        self.name = name
        self.busy = False  # a pass is under way
        self.counted: Counter | None = None
        self.patience = patience
        self._work = work
        self._every = every
        self._clock = clock
        self._bell = bell
        self._failures = LoopFailures(name, max(every, WORK_PAUSE_SECONDS_MAX))
        self._due_at = clock.monotonic() + every

    @property
    def late(self) -> float:
        """Seconds since a pass was due that has not ended well yet; 0: it is in time."""
        return max(self._clock.monotonic() - self._due_at, 0.0)

    async def do_until_cancelled(self, first: float = 0.0) -> None:
        """A pass, a rest, a pass; what fails is tried again. The first pass comes after `first` seconds."""
        if first:
            await self._rest(first)
        while True:
            await self._rest(await self._pass())

    async def _pass(self) -> float:
        self.busy = True
        try:
            rest = await self._work()
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            if self.counted is not None:
                self.counted.inc()
            return self._failures.note(error)
        finally:
            self.busy = False
        self._failures.went_well()
        rest = self._every if rest is None else rest
        self._due_at = self._clock.monotonic() + max(rest, self._every)
        return rest

    async def _rest(self, seconds: float) -> None:
        await (self._clock.sleep(seconds) if self._bell is None else self._bell.wait(seconds))


class Duties:
    """All of one gateway."""

    def __init__(self, clock: Clock | None = None, metrics: DutyMetrics | None = None) -> None:
        self._clock = clock or Clock()
        self._failures = None if metrics is None else metrics.duty_failures
        self._duties: dict[str, Duty] = {}
        if metrics is not None:
            metrics.duty_late_seconds.seconds = self.late

    def run_every(
        self,
        name: str,
        work: DutyWork,
        every: float,
        *,
        first: float = 0.0,
        bell: Bell | None = None,
        clock: Clock | None = None,
        patience: float = LATE_SECONDS_MAX,
    ) -> asyncio.Task[None]:
        """Do this every so many seconds from now on (the first time after `first`), until the task is cancelled."""
        duty = self.add(name, work, every, bell=bell, clock=clock, patience=patience)
        task = tireless(name, lambda: duty.do_until_cancelled(first), clock or self._clock)
        task.add_done_callback(lambda _: self.remove(duty))
        return task

    def add(
        self,
        name: str,
        work: DutyWork,
        every: float,
        *,
        bell: Bell | None = None,
        clock: Clock | None = None,
        patience: float = LATE_SECONDS_MAX,
    ) -> Duty:
        """A duty that the caller does in a task of its own. Pair with `remove`."""
        duty = self._duties[name] = Duty(name, work, every, clock or self._clock, bell=bell, patience=patience)
        if self._failures is not None:
            duty.counted = self._failures.labels(name)
        return duty

    def remove(self, duty: Duty) -> None:
        """It is done no more."""
        if self._duties.get(duty.name) is duty:
            del self._duties[duty.name]

    def busy(self, name: str) -> bool:
        """Whether a pass of this duty is under way."""
        duty = self._duties.get(name)
        return duty is not None and duty.busy

    def late(self) -> Mapping[str, float]:
        """By how many seconds each is late; may be asked by other threads."""
        return {name: duty.late for name, duty in self._duties.copy().items()}

    def very_late(self) -> Sequence[LateDuty]:
        """Those that a person is told of."""
        return [
            LateDuty(name, late) for name, duty in self._duties.copy().items() if (late := duty.late) > duty.patience
        ]
