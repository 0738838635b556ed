"""One connection to a broker, shared by all who send: made when first needed, kept while it is good, ended in peace.

A connection that failed once, or in which an attempt was cut off, is never used again. Those who still wait in it are
left to their own end: it is closed after the last of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Generic, TypeVar

from gateway import Retry

CONNECT_SECONDS: Final = 10.0  # seconds for connecting and logging in
END_SECONDS: Final = 3.0  # seconds for an end in good form
L = TypeVar("L")


class KeptConnection(Generic[L]):
    """A connection, and whether somebody doubts it."""

    __slots__ = ("connection", "doubtful", "users")

    def __init__(self, connection: L) -> None:
        self.connection = connection
        self.doubtful = False
        self.users = 0


class ConnectionKeeper(Generic[L]):
    """Everything is called from one event loop. `lives` says at once whether a connection is known to be gone."""

    def __init__(
        self,
        where: str,
        connect: Callable[[], Awaitable[L]],
        end: Callable[[L], Awaitable[None]],
        lives: Callable[[L], bool],
    ) -> None:
        self._where = where
        self._connect = connect
        self._end = end
        self._lives = lives
        self._kept: KeptConnection[L] | None = None
        self._connecting = asyncio.Lock()
        self._ends: set[asyncio.Task[None]] = set()
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
        """End what is kept, within three seconds."""
        self._closed = True
        if self._kept is not None:
            self._leave(self._kept)
        if self._ends:
            _, late = await asyncio.wait(self._ends, timeout=END_SECONDS)
            for task in late:
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
            scope = asyncio.timeout(CONNECT_SECONDS)
            try:
                async with scope:
                    self._kept = KeptConnection(await self._connect())
            except TimeoutError:
                if not scope.expired():
                    raise
                text = f"{self._where}: no connection within {CONNECT_SECONDS:g} s"
                raise Retry(text, service=True) from None
            return self._kept

    def _good(self) -> KeptConnection[L] | None:
        kept = self._kept
        return kept if kept is not None and not kept.doubtful and self._lives(kept.connection) else None

    def _leave(self, kept: KeptConnection[L]) -> None:
        kept.doubtful = True
        if self._kept is kept:
            self._kept = None
        if kept.users == 0:
            task = asyncio.get_running_loop().create_task(self._ended(kept.connection))
            self._ends.add(task)
            task.add_done_callback(self._ends.discard)

    async def _ended(self, connection: L) -> None:
        with contextlib.suppress(Exception):  # it is in doubt: whatever it says now is of no use
            async with asyncio.timeout(END_SECONDS):
                await self._end(connection)
