"""A small HTTP server that answers what a test tells it, and remembers what it was asked. Loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

_REASONS: Final = {200: "OK", 302: "Found", 429: "Too Many Requests", 500: "Internal Server Error"}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer. `raw` is sent as it is and the connection closed; `hang` answers nothing; `drip` sends the head and
    then a byte every few milliseconds, for ever."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    raw: bytes | None = None
    hang: bool = False
    drip: bool = False

    def encode(self) -> bytes:
        head = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Said So')}", f"content-length: {len(self.body)}"]
        head += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join((*head, "", "")).encode() + self.body


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire; header names are lower case, in order, doubles kept."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of this name, or None."""
        return next((value for key, value in self.headers if key == name), None)


class ScriptedServer:
    """`async with ScriptedServer(Reply(status=500), Reply()) as server:` then call `server.url`.

    The replies are given one after another, then `otherwise` for ever. `tls` serves https. `received` are the requests
    so far, `connections` counts who ever connected.
    """

    url: str
    port: int

    def __init__(self, *replies: Reply, otherwise: Reply | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.replies = list(replies)
        self.otherwise = otherwise or Reply()
        self.tls = tls
        self.received: list[Received] = []
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls, limit=2**20)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read one request and answer it; whether another one may follow."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ", 2)
        pairs = [tuple(line.split(": ", 1)) for line in head[1:] if line]
        request_headers = [(name.lower(), value) for name, value in pairs]
        length = int(next((value for name, value in request_headers if name == "content-length"), "0"))
        self.received.append(Received(method, target, request_headers, await reader.readexactly(length)))
        reply = self.replies.pop(0) if self.replies else self.otherwise
        if reply.hang:
            await asyncio.Event().wait()
        if reply.raw is not None:
            writer.write(reply.raw)
            await writer.drain()
            return False
        if reply.drip:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
            while True:
                writer.write(b".")
                await writer.drain()
                await asyncio.sleep(0.005)
        writer.write(reply.encode())
        await writer.drain()
        return True
