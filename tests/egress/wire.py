"""Servers of a test's own that say what no good server does: each request is answered with some pieces, the loop turning between them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.patience import eventually

PAUSE_SECONDS: Final = 0.01  # between two pieces, so that each is read by itself
Pieces = Sequence[bytes | None]  # None: the connection is closed there


@dataclass
class Wire:
    """A server's address, and what came: how many connections, and each request's head with its connection's number."""

    url: str = ""
    port: int = 0
    connections: int = 0
    answered: int = 0  # requests whose last piece was said a moment ago
    requests: list[tuple[int, bytes]] = field(default_factory=list)
    peers: list[ssl.SSLSocket | ssl.SSLObject | None] = field(default_factory=list)

    async def all_said(self) -> None:
        """Every piece of every answer was sent, and the loop has turned since: here it has come too."""
        await eventually(lambda: self.answered == len(self.requests))
        await asyncio.sleep(PAUSE_SECONDS)

    @property
    def used(self) -> list[int]:
        """The number of the connection that each request came over."""
        return [number for number, _ in self.requests]


@asynccontextmanager
async def saying(
    *answers: Pieces, others: Pieces = (), tls: ssl.SSLContext | None = None, path: Path | None = None
) -> AsyncIterator[Wire]:
    """The first request is answered with the first pieces and so on, all others with the last; one over another connection than the
    first with `others`, if there are some. `path`: a unix socket there."""
    wire, tasks = Wire(), set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire.connections += 1
        number = wire.connections
        if (task := asyncio.current_task()) is not None:
            tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                for line in head.lower().split(b"\r\n"):
                    if line.startswith(b"content-length:"):
                        await reader.readexactly(int(line.partition(b":")[2]))
                wire.requests.append((number, head))
                wire.peers.append(writer.get_extra_info("ssl_object"))
                own = others if others and number > 1 else answers[min(len(wire.requests), len(answers)) - 1]
                for piece in own:
                    if piece is None:
                        writer.close()
                        wire.answered += 1
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(PAUSE_SECONDS)
                wire.answered += 1
        writer.close()

    if path is not None:
        server = await asyncio.start_unix_server(serve, path, ssl=tls)
        wire.url = "http://target.invalid"
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        wire.port = server.sockets[0].getsockname()[1]
        wire.url = f"http{'s' if tls else ''}://127.0.0.1:{wire.port}"
    try:
        yield wire
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
