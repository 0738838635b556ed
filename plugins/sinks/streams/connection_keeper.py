"""One connection to a broker, shared by all who send: made when first needed, kept while it is good, ended in peace.

A connection that failed once, or in which an attempt was cut off, is never used again. Those who still wait in it are
left to their own end: it is closed after the last of them. However opening and ending go, nothing of a connection is left
behind: no socket, and no task of its library.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Final, Generic, TypeVar

from gateway import Retry
from plugins.sinks.streams.broker_connection import BrokerConnection

CONNECT_SECONDS: Final = 10.0  # seconds for connecting and logging in
END_SECONDS: Final = 3.0  # seconds for an end in good form
CUT_SECONDS: Final = 0.5  # seconds for a library to see that its sockets are closed
L = TypeVar("L", bound=BrokerConnection)


class KeptConnection(Generic[L]):
    """A connection, and whether somebody doubts it."""

    __slots__ = ("connection", "doubtful", "left", "users")

    def __init__(self, connection: L) -> None:
        self.connection = connection
        self.doubtful = False
        self.left = False
        self.users = 0


class ConnectionKeeper(Generic[L]):
    """Everything is called from one event loop. `make` makes a connection that is not open yet."""

    def __init__(self, where: str, make: Callable[[], L]) -> None:
        self._where = where
        self._make = make
        self._kept: KeptConnection[L] | None = None
        self._connecting = asyncio.Lock()
        self._opening: tuple[asyncio.Task[None], L] | None = None
        self._ends: dict[asyncio.Task[None], L] = {}
        self._closed = False

    @contextlib.asynccontextmanager
    async def borrow(self) -> AsyncIterator[KeptConnection[L]]:
        """A connection to send over. Raises what connecting raises, and Retry where that takes too long. Whoever sees it
        fail says that it is `doubtful`; a block that is left by an exception says so too."""
        kept = await self._ready()
        kept.users += 1
        try:
            yield kept
        except BaseException:
            kept.doubtful = True  # because nobody knows what half of it was sent
            raise
        finally:
            kept.users -= 1
            if kept.doubtful or self._closed:
                self._leave(kept)

    async def close(self) -> None:
        """End what is kept, within four seconds. Who still connects or sends hears that the connection ended."""
        self._closed = True
        if self._opening is not None:
            self._cut_aside(*self._opening)
        if self._kept is not None:
            if self._kept.users:
                self._kept.connection.abort()
            self._leave(self._kept)
        try:
            if self._ends:
                await asyncio.wait(self._ends, timeout=END_SECONDS + 2 * CUT_SECONDS)
        finally:
            for task, connection in self._ends.items():
                connection.abort()
                task.cancel()

    async def _ready(self) -> KeptConnection[L]:
        if (kept := self._good()) is not None:
            return kept
        async with self._connecting:
            if (kept := self._good()) is not None:
                return kept
            if self._closed:
                raise Retry("the sink is closed")
            if self._kept is not None:
                self._leave(self._kept)
            self._kept = KeptConnection(await self._opened())
            return self._kept

    async def _opened(self) -> L:
        connection = self._make()
        opening = asyncio.get_running_loop().create_task(connection.open())
        self._opening = opening, connection
        try:
            await asyncio.wait({opening}, timeout=CONNECT_SECONDS)
            if self._closed:
                raise Retry("the sink is closed")
            if not opening.done():
                text = f"{self._where}: no connection within {CONNECT_SECONDS:g} s"
                raise Retry(text, service=True)
            opening.result()
        except BaseException:
            if not self._closed:  # else that has been done
                self._cut_aside(opening, connection)
            raise
        finally:
            self._opening = None
        return connection

    def _good(self) -> KeptConnection[L] | None:
        kept = self._kept
        return kept if kept is not None and not kept.doubtful and kept.connection.lives else None

    def _leave(self, kept: KeptConnection[L]) -> None:
        kept.doubtful = True
        if self._kept is kept:
            self._kept = None
        if not kept.left and (kept.users == 0 or self._closed):
            kept.left = True
            self._end_aside(kept.connection, _ended(kept.connection))

    def _cut_aside(self, opening: asyncio.Task[None], connection: L) -> None:
        self._end_aside(connection, _cut_off(opening, connection))

    def _end_aside(self, connection: L, end: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(end)
        self._ends[task] = connection
        task.add_done_callback(self._aside_ended)

    def _aside_ended(self, task: asyncio.Task[None]) -> None:
        self._ends.pop(task).abort()  # because one that is cancelled before it begins has done nothing


async def _ended(connection: BrokerConnection) -> None:
    ending = asyncio.get_running_loop().create_task(connection.end_connection())
    try:
        await asyncio.wait({ending}, timeout=END_SECONDS)
    finally:
        await _cut_off(ending, connection)


async def _cut_off(task: asyncio.Task[None], connection: BrokerConnection) -> None:
    """Let go of the connection, and of what still goes on in it, whatever that says: it is in doubt."""
    task.add_done_callback(lambda done: _forget(done, connection))
    connection.abort()  # first, because a library may answer a cancellation by saying goodbye
    task.cancel()
    await asyncio.wait({task}, timeout=CUT_SECONDS)


def _forget(task: asyncio.Task[None], connection: BrokerConnection) -> None:
    connection.abort()  # again, because a socket may have come meanwhile
    if not task.cancelled():
        task.exception()  # looked at, because nobody else will
