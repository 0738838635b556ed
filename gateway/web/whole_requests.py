"""Requests of one listener that came whole in one turn of the loop: they are served together, after all were read."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from gateway.web.http_exchange import HttpExchange


class WholeConnection(Protocol):
    """What such a request came over."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    def serve_whole(self, exchange: HttpExchange) -> None: ...


class WholeRequests:
    """One a listener. Reading requests and taking them is other code, so one is done for all before the other (docs/decisions/0017)."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[WholeConnection, HttpExchange]] = deque()
        self._called = False  # they are served at the end of this turn of the loop

    def add(self, connection: WholeConnection, exchange: HttpExchange) -> None:
        """Let it be served by its connection at the end of this turn of the loop, one after the other."""
        self._waiting.append((connection, exchange))
        if not self._called:
            connection.loop.call_soon(self._serve)
            self._called = True

    def _serve(self) -> None:
        self._called = False  # first, so that what is left without memory goes with the next one
        while self._waiting:
            connection, exchange = self._waiting.popleft()
            try:
                connection.serve_whole(exchange)
            except Exception as error:  # a bug of ours; the loop does the same for what `data_received` raises
                said = {"message": "a request was not taken", "exception": error, "protocol": connection}
                connection.loop.call_exception_handler(said)
                connection.transport.abort()
