"""Limits of time for much work of one kind, with one timer for all: a timer each costs more than the work it bounds."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class TimeLimits:
    """Limits of `seconds` each, by the loop's clock. Each that begins or is lengthened ends after all others, so the order
    in which they are kept is the order in which they come due."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running: dict[TimeLimit, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def limited(self) -> TimeLimit:
        """For what the current task does inside `with`: cut off when the time is over, and TimeoutError, as `asyncio.timeout`
        does."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit is of a task")
        limit = TimeLimit(self, task)
        if loop is not self._loop:
            self._loop, self._timer = loop, None
            self._running.clear()
        limit.at = loop.time() + self.seconds
        self._running[limit] = None
        if self._timer is None:
            self._timer = loop.call_at(limit.at, self._cut_off)
        return limit

    def restart(self, limit: TimeLimit) -> None:
        """All its time from now on, unless it has ended."""
        if limit in self._running and self._loop is not None:
            del self._running[limit]
            limit.at = self._loop.time() + self.seconds
            self._running[limit] = None

    def drop(self, limit: TimeLimit) -> None:
        """It has ended."""
        self._running.pop(limit, None)
        if not self._running and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut_off(self) -> None:
        self._timer = None
        if self._loop is None:
            return
        now = self._loop.time()
        for limit in list(self._running):
            if limit.at > now:
                self._timer = self._loop.call_at(limit.at, self._cut_off)
                return
            self.drop(limit)
            limit.expire()


class TimeLimit:
    """One that runs."""

    __slots__ = ("_cancelling", "_limits", "at", "expired", "task")

    def __init__(self, limits: TimeLimits, task: asyncio.Task[object]) -> None:
        self._limits = limits
        self.task = task
        self._cancelling = task.cancelling()
        self.at = 0.0  # when it comes due, in the loop's seconds
        self.expired = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._limits.drop(self)
        if self.expired and self.task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """The time is over: cancel what it bounds."""
        self.expired = True
        self.task.cancel()

    def restart(self) -> None:
        """All its time from now on, unless it is over."""
        self._limits.restart(self)
