"""What works behind the callbacks: a bell that brings its next look forward, work that outlives its failures, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.errors import GatewayError
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.rising_pause import RisingPause

log = import_structlog().get_logger("gateway")

WORK_PAUSE_SECONDS: Final = 1.0  # before work that failed begins anew; each time twice as long
WORK_PAUSE_SECONDS_MAX: Final = 5.0  # what was away and is there again is not waited for longer


class Bell:
    """One waits, anybody rings. What rings while nobody waits is heard at the next wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Look now."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Until it rings, or for so long."""
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        rung = asyncio.ensure_future(self._rung.wait())
        try:
            await asyncio.wait({sleep, rung}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            rung.cancel()
        self._rung.clear()


class LoopFailures:
    """What one loop fails with in a row: each kind is said once, and the rest after it grows, until it goes well again."""

    def __init__(self, name: str, longest: float = WORK_PAUSE_SECONDS_MAX) -> None:
        """`longest`: seconds of the longest rest."""
        self._name = name
        self._pause = RisingPause(WORK_PAUSE_SECONDS, longest)
        self._kinds: set[type[BaseException]] = set()

    @property
    def in_a_row(self) -> int:
        """How many there were since it last went well."""
        return self._pause.failures

    def note(self, error: BaseException) -> float:
        """One more: so many seconds to rest now. Never raises: where there is no memory left, what is done about a failure
        may fail too."""
        try:
            pause = self._pause.failed()
            if type(error) not in self._kinds:
                self._kinds.add(type(error))
                _say_failed(self._name, error, pause)
        except Exception:
            return WORK_PAUSE_SECONDS
        return pause

    def went_well(self) -> None:
        """The next failure is a first one."""
        if not self._kinds:
            return
        with contextlib.suppress(Exception):
            log.info("background_goes_on", what=self._name, failures=self._pause.failures)
        self._pause.went_well()
        self._kinds.clear()


def _say_failed(name: str, error: BaseException, pause: float) -> None:
    if isinstance(error, GatewayError):  # it is written for people
        log.warning("background_failed", what=name, error=str(error), again_in=pause)
    else:
        log.error("background_failed", what=name, error=type(error).__name__, again_in=pause, exc_info=error)


def is_cancelled() -> bool:
    """Whether somebody cancels the task that asks: else a CancelledError comes of something that it waited for, and is a
    failure like any other."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def end_tasks(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel them, and wait until each has ended, whatever it ends with. None: there was no such task."""
    begun = [task for task in tasks if task is not None]
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)


def tireless(name: str, work: Callable[[], Awaitable[None]], clock: Clock) -> asyncio.Task[None]:
    """A task that does what is done until it is cancelled. Whatever it fails with, it begins anew, because nobody else would do
    it. What is done once a while is a `Duty`; this is for what waits for something else."""
    return asyncio.create_task(_over_and_over(name, work, clock), name=name)


async def _over_and_over(name: str, work: Callable[[], Awaitable[None]], clock: Clock) -> None:
    failures = LoopFailures(name)
    while True:
        began = clock.monotonic()
        try:
            await work()
            return
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            pause = _noted(failures, error, clock.monotonic() - began)
        try:
            await clock.sleep(pause)
        except Exception:
            await asyncio.sleep(0)


def run_tirelessly(name: str, work: Callable[[], None], over: threading.Event) -> None:
    """The same for a thread: `work` is begun anew whatever it fails with, until it returns or `over` is set."""
    failures = LoopFailures(name)
    while not over.is_set():
        began = time.monotonic()
        try:
            work()
            return
        except Exception as error:
            pause = _noted(failures, error, time.monotonic() - began)
        with contextlib.suppress(Exception):
            over.wait(pause)


def _noted(failures: LoopFailures, error: BaseException, worked: float) -> float:
    if worked > WORK_PAUSE_SECONDS_MAX:  # it had gone well for a while
        failures.went_well()
    return failures.note(error)
