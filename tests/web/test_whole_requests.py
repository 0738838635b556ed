"""Requests of one turn of the loop are served together, and what one fails with stops none of the others."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.web.whole_requests import WholeRequests


class Connection:
    """Notes what it serves; raises what it is given."""

    def __init__(self, served: list[Any], *, without_memory: bool = False) -> None:
        self.served = served
        self.loop: Any = self
        self.transport: Any = self
        self.without_memory = without_memory

    def call_soon(self, call: Any) -> None:
        asyncio.get_running_loop().call_soon(call)

    def call_exception_handler(self, said: Any) -> None:
        raise said["exception"]

    def abort(self) -> None:
        raise AssertionError("it was never heard of")

    def serve_whole(self, exchange: Any) -> None:
        if self.without_memory:
            raise MemoryError
        self.served.append(exchange)


async def test_what_was_left_without_memory_is_served_with_the_next_that_comes() -> None:
    served: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    whole = WholeRequests()
    whole.add(Connection(served, without_memory=True), "first")  # type: ignore[arg-type]
    whole.add(Connection(served), "second")  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert served == []
    whole.add(Connection(served), "third")  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert served == ["second", "third"]
    asyncio.get_running_loop().set_exception_handler(None)
