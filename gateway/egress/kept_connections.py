"""Connections that stay open between two requests, without aiohttp's connector being asked for each."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from gateway.runtime import lean_imports

lean_imports.import_httpx()

from aiohttp.connector import Connection  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Hashable


_KeptSince = tuple[Connection, float]  # since when it is kept, in monotonic seconds


class KeptConnections:
    """What is used last is taken first, so that those that are too many grow old. For the connector all of them are in use."""

    def __init__(self, seconds: float) -> None:
        """Each is kept for so many seconds without a request."""
        self._seconds = seconds
        self._kept: dict[Hashable, deque[_KeptSince]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def pick(self, place: Hashable) -> Connection | None:
        """A connection to `place` that is as open as can be seen; None: there is none."""
        kept = self._kept.get(place)
        while kept:
            connection, since = kept.pop()
            handler = connection.protocol
            transport = None if handler is None else handler.transport
            # bytes that nobody asked for would be taken for the next answer
            if (
                handler is not None
                and transport is not None
                and monotonic() - since <= self._seconds
                and not transport.is_closing()
                and not handler.should_close
            ):
                return connection
            connection.close()
        return None

    def put_back(self, place: Hashable, connection: Connection) -> None:
        """Its answer was read to the end."""
        handler = connection.protocol
        transport = None if handler is None else handler.transport
        if self._closed or transport is None or transport.get_write_buffer_size():
            connection.close()  # the target answered before it had read all
            return
        kept = self._kept.get(place)
        if kept is None:
            kept = self._kept[place] = deque()
        kept.append((connection, monotonic()))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._sweep)

    def close(self) -> None:
        """Close them all, and keep none any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for kept in self._kept.values():
            for connection, _ in kept:
                connection.close()
        self._kept.clear()

    def _sweep(self) -> None:
        """Close what was not used for too long: the target will soon, or has."""
        self._timer = None
        now = monotonic()
        for place, kept in list(self._kept.items()):
            while kept and now - kept[0][1] > self._seconds:
                kept.popleft()[0].close()
            if not kept:
                del self._kept[place]
        if self._kept:
            first = min(kept[0][1] for kept in self._kept.values())
            self._timer = asyncio.get_running_loop().call_later(first + self._seconds - now + 0.001, self._sweep)
