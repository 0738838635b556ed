"""One request over the real protocol of the public listener, on a connection that is in memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from gateway.app import Gateway
from gateway.web.budget import Budget
from gateway.web.ingress import Ingress
from gateway.web.listener_limits import UNVERIFIED_BYTES_MAX, ListenerLimits
from gateway.web.protocol import guarded
from gateway.web.public import PublicRefusals, public_app
from gateway.web.whole_callbacks import WholeCallbacks
from tests.web.wire import Wire

ANSWER_S = 30.0
LENGTH = re.compile(rb"(?im)^content-length: *([0-9]+)")


class AnsweredWire(Wire):
    """The server's end. `ended`: an answer was written whole, or the connection was closed."""

    def __init__(self) -> None:
        super().__init__("192.0.2.1")
        self.ended = asyncio.Event()

    def write(self, data: Any) -> None:
        super().write(data)
        head, found, body = self.written.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if found and length and len(body) >= int(length[1]):
            self.ended.set()

    def close(self) -> None:
        self.ended.set()

    abort = close

    def is_closing(self) -> bool:
        return self.ended.is_set()


class Listener:
    """The public listener of a gateway, without its socket."""

    def __init__(self, gateway: Gateway, max_body: int) -> None:
        ingress = Ingress(gateway, max_body=max_body)
        refusals = PublicRefusals(gateway, ingress)
        self.app = public_app(ingress, refusals)
        protocol = guarded(
            ListenerLimits(),
            refusals.refused_unread,
            largest=ingress.largest,
            peer_of=ingress.peer_of,
            take_whole=WholeCallbacks(gateway, ingress).take_whole,
            budget=Budget(UNVERIFIED_BYTES_MAX),
        )
        config = Config(self.app, http=protocol, ws="none", lifespan="off", log_config=None, server_header=False)
        config.load()
        self._connect: Callable[[], Any] = lambda: protocol(config=config, server_state=ServerState(), app_state={})

    async def post(
        self, path: str, headers: Sequence[tuple[bytes, bytes]], body: bytes, *, pieces: int = 1
    ) -> tuple[int, bytes]:
        """Status (0: closed without an answer) and body. It comes in so many pieces, of which only one is taken at once."""
        lines = [f"POST {path} HTTP/1.1".encode(), *(b": ".join(one) for one in headers), b"", body]
        sent = b"\r\n".join(lines)
        wire, connection = AnsweredWire(), self._connect()
        connection.connection_made(wire)
        try:
            for piece in range(pieces):
                connection.data_received(sent[len(sent) * piece // pieces : len(sent) * (piece + 1) // pieces])
                if pieces > 1:
                    await asyncio.sleep(0)
            async with asyncio.timeout(ANSWER_S):
                await wire.ended.wait()
        finally:
            connection.connection_lost(None)
        head, _, answer = wire.written.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, answer
