"""Lets a delivery that was in flight when a process died go with nothing else in flight, so that it is known whether it was the one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

EMPTY_SECONDS: Final = 1.0  # to wait until nothing else is in flight; past that it goes beside what hangs
LONE_SECONDS: Final = (
    3.0  # so long everything else may wait for it, because what kills a process mostly does it at once
)

NoteSending = Callable[[bool], Awaitable[bool]]


class Isolation:
    """One a dispatcher. Costs an ordinary delivery a counter."""

    def __init__(self) -> None:
        self._in_flight = 0
        self._lone: object | None = None  # whose right it is to be alone
        self._open = asyncio.Event()
        self._open.set()
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def taken(self) -> bool:
        """Whether another one is alone now; whoever wants to be waits in the store."""
        return self._lone is not None

    async def wait(self) -> None:
        """Wait for one that is alone, for a few seconds at most."""
        if not self._open.is_set():
            await self._open.wait()

    def join_flight(self) -> None:
        """One more is in flight beside others. Pair with `leave_flight`; a context manager would cost each delivery four times this."""
        if not self._in_flight:
            self._empty.clear()
        self._in_flight += 1

    def leave_flight(self) -> None:
        """It is no longer."""
        self._in_flight -= 1
        if not self._in_flight:
            self._empty.set()

    @contextlib.asynccontextmanager
    async def alone(self, begin: NoteSending) -> AsyncIterator[bool]:
        """In flight with nothing else, if nothing hangs. `begin` notes whether that is so, first and when it changes; what it
        said first is given: False, it may not go. Ask `taken` before."""
        self._lone = mine = object()
        self._open.clear()
        timer: asyncio.Task[None] | None = None
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EMPTY_SECONDS):
                    await self._empty.wait()
            lone = not self._in_flight
            begun = await begin(lone)
            if lone:
                timer = asyncio.create_task(self._no_longer_alone(begin), name="alone no longer")
            else:
                self._open.set()
            yield begun
        finally:
            if timer is not None:
                timer.cancel()
            if self._lone is mine:
                self._lone = None
                self._open.set()

    def share(self) -> None:
        """The one that is alone gets on, and may for hours: another may be alone from now on."""
        self._lone = None
        self._open.set()

    async def _no_longer_alone(self, begin: NoteSending) -> None:
        await asyncio.sleep(LONE_SECONDS)
        try:
            await begin(False)  # before the others go on: else a loss of theirs would be counted for it
        finally:
            self._open.set()
