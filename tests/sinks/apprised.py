"""Messages that apprise sends to a server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway import Http
from gateway.testing import FrozenClock, Reply
from plugins.sinks.apprise import AppriseOptions, AppriseSink

OK = Reply(headers=[("content-type", "application/json")], body=b'{"id": "x"}')


def ntfy(url: str) -> str:
    return url.replace("http://", "ntfy://") + "/apprise-canary-topic"


@asynccontextmanager
async def sending(url: str, **options: Any) -> AsyncIterator[AppriseSink]:
    http = Http(clock=FrozenClock())
    sink = AppriseSink("phone", AppriseOptions.model_validate({"url": url, **options}), http=http, log=None)  # type: ignore[arg-type]
    await sink.open()
    try:
        yield sink
    finally:
        await sink.close()
        await http.close()
