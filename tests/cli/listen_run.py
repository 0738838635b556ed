"""`gateway listen` in a test's own loop."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from gateway.cli.commands import listen
from gateway.cli.remote_client import Remote
from tests.patience import PATIENCE_S
from tests.running import SECRET
from tests.web.admin_api import ask
from tests.web.doors import Served
from tests.web.pull_api import PULL


def url_of(served: Served) -> str:
    host, port = served.addresses.private.sockets[0].getsockname()
    return f"http://{host}:{port}"


class ListenRun:
    """`gateway listen` in the test's own loop."""

    def __init__(
        self, served: Served | str, to: str, *, token: str = PULL, sink: str = "q", body: bool = False
    ) -> None:
        url = served if isinstance(served, str) else url_of(served)
        work = listen._listen(Remote(url, token), sink, to, SECRET, timedelta(seconds=5), body=body)
        self.task = asyncio.create_task(work)

    async def until(self, true: Any) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                assert not self.task.done() or self.task.exception(), "it ended"
                await asyncio.sleep(0.01)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def states(served: Served) -> list[tuple[str, str | None]]:
    items = ask(served, "/deliveries?sink=q&limit=200").json()["items"]
    return [(one["state"], one["last_error"]) for one in items]
