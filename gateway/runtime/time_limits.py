"""Limits of time for much work of one kind, with one timer for all: a timer each costs more than the work it bounds."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import msgspec


class TimeLimits:
    """Limits of `seconds` each, by the loop's clock. Each that begins or is lengthened ends after all others, so the order
    in which they are kept is the order in which they come due."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.running: dict[TimeLimit, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def limited(self) -> TimeLimit:
        """For what the current task does inside `with`: cut off when the time is over, and TimeoutError, as `asyncio.timeout`
        does."""
        loop = self._loop
        # the loop it knows is not asked for: in Python 3.11 that asks the kernel for the process
        task = None if loop is None else asyncio.current_task(loop)
        if loop is None or task is None:
            loop = asyncio.get_running_loop()
            task = asyncio.current_task(loop)
            if task is None:
                raise RuntimeError("a time limit is of a task")
            if loop is not self._loop:
                self._loop, self._timer = loop, None
                self.running.clear()
        limit = TimeLimit(self, task, task.cancelling(), loop.time() + self.seconds)
        if self._timer is None:
            self._timer = loop.call_at(limit.at, self.cut_off)
        self.running[limit] = None  # last: one that has not begun would cut off what its task does later
        return limit

    def restart(self, limit: TimeLimit) -> None:
        """All its time from now on, unless it has ended."""
        if limit in self.running and self._loop is not None:
            del self.running[limit]
            limit.at = self._loop.time() + self.seconds
            self.running[limit] = None

    def rest(self) -> None:
        """The last has ended: nothing is waited for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def cut_off(self) -> None:
        """End what is due. The timer does it; whoever sees that something is late may too, because a timer is lost where there was
        no memory for it."""
        self.rest()
        if self._loop is None:
            return
        now = self._loop.time()
        for limit in list(self.running):
            if limit.at > now:
                self._timer = self._loop.call_at(limit.at, self.cut_off)
                return
            del self.running[limit]
            limit.at = now  # where the process stood still that is much later
            limit.expire()


class TimeLimit(msgspec.Struct, eq=False):
    """One that runs. `cancelling`: what was to stop its task already."""

    limits: TimeLimits
    task: asyncio.Task[object]
    cancelling: int
    at: float  # when it comes due, in the loop's seconds; once it has, when it cut off
    expired: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        limits = self.limits
        limits.running.pop(self, None)
        if not limits.running:
            limits.rest()
        if self.expired and self.task.uncancel() <= self.cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    @property
    def runs(self) -> bool:
        """Whether it may still cut off."""
        return self in self.limits.running

    def expire(self) -> None:
        """The time is over: cancel what it bounds."""
        self.expired = True
        self.task.cancel()

    def restart(self) -> None:
        """All its time from now on, unless it is over."""
        self.limits.restart(self)
