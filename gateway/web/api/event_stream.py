"""News as Server-Sent Events: one JSON line each, with an id to go on from; a reader that takes nothing is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.admin.stream import Message
from gateway.errors import GatewayError
from gateway.runtime.lean_imports import import_structlog

TOGETHER_BYTES_MAX: Final = (
    32 * 1024
)  # of messages that go out in one piece, because each piece costs as much as an insert
STALL_SECONDS: Final = 15.0  # in which a reader must take what was sent
log = import_structlog().get_logger("gateway.web")


async def begun(news: AsyncIterator[Message]) -> Response:
    """The answer, once the stream has a place. Raises Problem 429 where there is none."""
    return EventStream(news, await anext(news))


class EventStream(Response):
    """Sends until the news end, the caller leaves, or does not take what is sent."""

    media_type = "text/event-stream"

    def __init__(self, news: AsyncIterator[Message], first: Message) -> None:
        super().__init__(None, 200)
        self._news = news
        self._first = first
        del self.headers["content-length"]
        self.headers["x-accel-buffering"] = "no"  # because a proxy that gathers would hold the news back

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        sending = asyncio.ensure_future(self._send(send))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
            await self._news.aclose()  # type: ignore[attr-defined]  # it is a generator
        if sending.done() and not sending.cancelled() and isinstance(sending.exception(), TimeoutError):
            log.info("stream_dropped", why="the reader does not take what is sent")

    async def _send(self, send: Send) -> None:
        await _chunk(send, written(self._first))
        together = bytearray()
        try:
            async for message in self._news:
                together += written(message)
                if not message.more or len(together) >= TOGETHER_BYTES_MAX:
                    await _chunk(send, bytes(together))
                    together.clear()
        except GatewayError as error:
            await _chunk(send, f": {type(error).__name__}\n\n".encode())
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _chunk(send: Send, content: bytes) -> None:
    async with asyncio.timeout(STALL_SECONDS):
        await send({"type": "http.response.body", "body": content, "more_body": True})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def written(message: Message) -> bytes:
    """One message; without news it is a comment."""
    if message.event is None:
        return b": \n\n"
    head = "" if message.id is None else f"id: {message.id}\n"
    return f"{head}event: {message.event}\ndata: {message.text}\n\n".encode()
