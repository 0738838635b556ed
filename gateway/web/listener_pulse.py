"""Sees that a listening socket still gives us its connections, and listens on it again where it does not.

libuv stops looking at a socket whose connection could not be taken (there was no memory for it) until that one is taken, which
nobody does any more: every later caller would wait, and nothing would say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from collections.abc import Callable, Sequence
from typing import Final, cast

from gateway.runtime.lean_imports import import_structlog

log = import_structlog().get_logger("gateway.web")


class TurnedAway(asyncio.Protocol):
    """In place of a connection that there is no memory for: it ends at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()  # uvloop's is one without saying so


TURNED_AWAY: Final = TurnedAway()  # made before it is needed; it keeps nothing of any connection


class ListenerPulse:
    """One a listener. `stuck` is asked now and then; `taken` counts the connections that we were given."""

    def __init__(self, section: str) -> None:
        self._section = section
        self._waited: dict[int, int] = {}  # file: how many had been taken when a caller was last seen to wait at it
        self.taken = 0

    def careful(self, connect: Callable[..., asyncio.Protocol]) -> Callable[..., asyncio.Protocol]:
        """The same factory, which turns a caller away instead of raising MemoryError, and is counted."""

        def connected(**given: object) -> asyncio.Protocol:
            try:
                connection = connect(**given)
            except MemoryError:
                connection = TURNED_AWAY
            self.taken += 1
            return connection

        return connected

    def stuck(self, sockets: Sequence[socket.socket]) -> Sequence[int]:
        """The places of those at which a caller waits now and did at the last look, while nobody was taken between."""
        waited = {one.fileno(): self.taken for one in sockets if _somebody_waits(one)}
        before, self._waited = self._waited, waited
        return [
            place for place, one in enumerate(sockets)
            if one.fileno() in waited and before.get(one.fileno()) == self.taken
        ]  # fmt: skip

    async def listen_again(
        self, stuck: socket.socket, server: asyncio.Server, connect: Callable[[], asyncio.Protocol], backlog: int
    ) -> tuple[socket.socket, asyncio.Server]:
        """A fresh server on the same socket; the old one ends, its connections do not. Raises OSError and MemoryError."""
        fresh = stuck.dup()
        try:
            fresh.setblocking(False)
            again = await asyncio.get_running_loop().create_server(connect, sock=fresh, backlog=backlog)
        except BaseException:
            fresh.close()
            raise
        server.close()
        log.warning("listening_again", listener=self._section, detail="callers waited, and none was given to us")
        return fresh, again


def _somebody_waits(listening: socket.socket) -> bool:
    with contextlib.suppress(OSError, ValueError):  # it is being closed
        poll = select.poll()
        poll.register(listening.fileno(), select.POLLIN)
        return bool(poll.poll(0))
    return False
