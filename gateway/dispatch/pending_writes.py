"""Writes of one kind that wait in memory until the store has them: in order, tried again and again, waiting for no other kind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from random import Random
from typing import Final, Generic, TypeVar

from gateway.errors import StoreError
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.rising_pause import RisingPause

log = import_structlog().get_logger("gateway.dispatcher")

FIRST_PAUSE_SECONDS: Final = 0.1  # seconds between two tries while the store fails
PAUSE_SECONDS_MAX: Final = 5.0

R = TypeVar("R")


class PendingWrites(Generic[R]):
    """`write` writes some of the first `rows` and takes them out; it is called while there are any."""

    def __init__(self, name: str, write: Callable[[], Awaitable[None]], clock: Clock, rng: Random) -> None:
        """`name` is what a line in the log calls them."""
        self.name = name
        self.rows: deque[R] = deque()
        self.failing = False  # they wait for the store
        self.empty = asyncio.Event()
        self.empty.set()
        self._write = write
        self._clock = clock
        self._rng = rng
        self._bell = asyncio.Event()

    def add(self, row: R) -> None:
        """Write this one too."""
        self._ring()
        self.rows.append(row)

    def add_all(self, rows: Sequence[R]) -> None:
        """And these, of which there is one at least."""
        if not self.rows:  # else it was done for the one before
            self._ring()
        self.rows.extend(rows)

    def _ring(self) -> None:
        """Before there are rows: where there are some, nobody rings again, and what could not ring has left none."""
        self.empty.clear()
        self._bell.set()

    def first(self, most: int) -> list[R]:
        """The first of them."""
        return list(islice(self.rows, most))

    async def write_until_cancelled(self) -> None:
        """Write until cancelled."""
        pauses = RisingPause(FIRST_PAUSE_SECONDS, PAUSE_SECONDS_MAX)
        while True:
            await self._bell.wait()
            try:
                if self.rows:
                    await self._write()
            except Exception as error:  # whatever it is, they are not dropped: they are tried again
                if not self.failing:
                    known = isinstance(error, StoreError)
                    log.warning(f"{self.name}_wait", error=str(error), pending=len(self.rows), exc_info=not known)
                self.failing = True
                await self._clock.sleep(pauses.failed() * self._rng.uniform(0.5, 1.0))
                continue
            if self.failing:
                log.info(f"{self.name}_written", pending=len(self.rows))
                pauses.went_well()
                self.failing = False
            if not self.rows:
                self._bell.clear()
                self.empty.set()
