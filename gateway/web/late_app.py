"""An application that is made when somebody first asks it something, because most gateways are seldom looked at."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send


class LateApp:
    """`make` imports and makes it, once, in a thread: callbacks go on meanwhile. Where it fails the next request tries again."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._app: ASGIApp | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            async with self._making:
                if self._app is None:
                    self._app = await asyncio.to_thread(self._make)
                    if gc.get_freeze_count():  # what the start has made is spared the collector's looks, and so is this
                        gc.collect()
                        gc.freeze()
        await self._app(scope, receive, send)
