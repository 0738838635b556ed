"""A delivery goes through few coroutines: each is entered again for whatever it waits for, and left again by the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import CoroutineType
from typing import Any

from gateway.testing import running
from gateway.testing.server import Reply, ScriptedServer

TESTS = Path(__file__).parent.parent
CONFIG = """
version: 1
sources: {{live: {{type: huawei-live, keys: [0123456789abcdef0123456789abcdef]}}}}
sinks: {{app: {{type: forward, url: '{url}'}}}}
routes: [{{to: [app]}}]
"""
WAY = [
    *("WorkerPool._work", "Deliverer.carry", "Deliverer._deliver", "carry", "bounded", "Forward.deliver"),
    *("Http.request", "Pool.send", "Transport.handle_async_request", "Exchanges.send"),
]


def _way(coroutine: object) -> Iterator[str]:
    while isinstance(coroutine, CoroutineType):
        if not coroutine.cr_code.co_filename.startswith(str(TESTS)):  # what a fixture of ours puts in between
            yield coroutine.cr_code.co_qualname
        coroutine = coroutine.cr_await


async def test_these_stand_between_a_worker_and_its_socket() -> None:
    async with ScriptedServer(Reply(hang=True)) as server, running(CONFIG.format(url=server.url)) as gateway:
        await gateway.send(settle=False)
        while not server.received:
            await asyncio.sleep(0)
        tasks: list[asyncio.Task[Any]] = [task for task in asyncio.all_tasks() if task.get_name() == "lane app"]
        ways = [list(_way(task.get_coro())) for task in tasks]
    assert [way for way in ways if len(way) > 1] == [WAY]
