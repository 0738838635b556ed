"""A media server in a thread of its own, for gateways that are processes."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from tests import threads
from tests.patience import PATIENCE_S
from tests.sinks.archive.media_server import MediaServer, listening


@contextlib.contextmanager
def in_thread(server: MediaServer) -> Iterator[None]:
    """The server in a thread of its own."""
    loop, begun, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with listening(server):
            begun.set()
            await over.wait()

    thread = threads.start(loop.run_until_complete, serve())
    begun.wait(PATIENCE_S)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        threads.end(thread)
        loop.close()
