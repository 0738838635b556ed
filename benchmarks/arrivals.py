"""What comes in at the receiver, and servers that are started while it goes on receiving."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks import servers


class Arrivals:
    """When deliveries reached the receiver."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._awaited = 0
        self._reached = asyncio.Event()

    def __call__(self, body: bytes) -> None:
        self.times.append(time.perf_counter())
        if len(self.times) >= self._awaited:
            self._reached.set()

    async def reach(self, count: int, within: float) -> None:
        """Wait until so many came, at most `within` seconds."""
        self._awaited = count
        self._reached.clear()
        if len(self.times) < count:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._reached.wait(), within)

    def between(self, start: float, end: float) -> int:
        return sum(start <= at < end for at in self.times)


class Entered:
    """A context manager entered in a thread, so that the loop goes on receiving."""

    def __init__(self, manager: object) -> None:
        self._manager = manager
        self._value = manager.__enter__()  # type: ignore[attr-defined]

    def __enter__(self) -> servers.Server:
        return self._value  # type: ignore[no-any-return]

    def __exit__(self, *exc: object) -> None:
        self._manager.__exit__(*exc)  # type: ignore[attr-defined]


async def gateways_beside(
    stack: contextlib.AsyncExitStack, folder: Path, routed: Mapping[str, bool], *, sink: int, level: str
) -> dict[str, servers.Server]:
    """Gateways that run until `stack` ends, each in a folder of its name; by name, whether it delivers to the port `sink`."""
    running = {}
    for name, delivers in routed.items():
        place = folder / name
        place.mkdir(exist_ok=True)
        port, admin = servers.free_ports(2)
        made = functools.partial(servers.gateway, port, admin, place, sink=sink, routed=delivers, level=level)
        running[name] = stack.enter_context(await asyncio.to_thread(Entered, made()))
    return running
