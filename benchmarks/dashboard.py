"""What an open dashboard costs the ingress: two gateways in alternating slices, one of them with one live stream."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from benchmarks import servers, wire
from benchmarks.arrivals import gateways_beside

SLICES = 5  # of each of the two; they alternate, because the processor is now fast and now slow
SLICE_CALLBACKS = 1000  # so that a round takes half a minute
CONNECTIONS = 32


class Watching:
    """One reader of the live stream; `told` are the news that it got, `missed` those that it was not told one by one."""

    def __init__(self) -> None:
        self.told = self.missed = 0

    async def read(self, admin: int, opened: asyncio.Event) -> None:
        """Read until it is cancelled."""
        reader, writer = await asyncio.open_connection("127.0.0.1", admin)
        head = f"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {servers.TOKEN}\r\n\r\n"
        writer.write(head.encode())
        status = await reader.readline()
        if b" 200 " not in status:
            raise RuntimeError(f"the stream was answered {status.decode().strip()}")
        opened.set()
        try:
            async for line in reader:
                self.told += line.startswith(b"event: event")
                self.missed += line.startswith(b"event: missed")
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def watched(admin: int) -> AsyncIterator[Watching]:
    """An open stream of this gateway."""
    watching, opened = Watching(), asyncio.Event()
    reading = asyncio.create_task(watching.read(admin, opened))
    opening = asyncio.create_task(opened.wait())
    await asyncio.wait({reading, opening}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    if reading.done():
        opening.cancel()
        reading.result()
    try:
        yield watching
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading


async def measured(requests: Sequence[bytes], folder: Path, seconds: float, level: str) -> dict[str, float]:
    """CPU µs of an accept with and without an open stream, and by how much the first is more (the median of the pairs)."""
    async with contextlib.AsyncExitStack() as stack:
        running = await gateways_beside(stack, folder, {"alone": False, "watched": False}, sink=9, level=level)
        watching = await stack.enter_async_context(watched(running["watched"].admin))
        fresh = {name: iter(requests) for name in running}
        found: dict[str, list[float]] = {name: [] for name in running}
        for number in range(SLICES + 1):
            for name in running if number % 2 else reversed(running):
                server = running[name]
                used = server.cpu()
                part = itertools.islice(fresh[name], min(SLICE_CALLBACKS, len(requests) // (SLICES + 1)))
                tally = await wire.call(server.port, part, connections=CONNECTIONS, seconds=seconds)
                await asyncio.sleep(0.3)  # in which the news of the slice are told: they are its cost
                if number:  # the first warms up
                    found[name].append((server.cpu() - used) * 1e6 / tally.good)
        if not watching.told:
            raise RuntimeError("nothing came through the live stream")
    pairs = [beside / alone for beside, alone in zip(found["watched"], found["alone"], strict=True)]
    return {
        "accept alone: CPU µs": statistics.median(found["alone"]),
        "accept beside a dashboard: CPU µs": statistics.median(found["watched"]),
        "an open dashboard costs, %": (statistics.median(pairs) - 1) * 100,
        "news told": watching.told,
    }
