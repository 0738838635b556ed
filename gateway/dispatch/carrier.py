"""The core's own way of carrying: the `deliver` hook that calls the sink. Plugins wrap it."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Generator, Sequence
from typing import Any

from gateway.model import Delivery
from gateway.plugin import Sink
from gateway.plugin.hookspecs import hookimpl

Result = str | None | Exception


class Carrier:
    """Register it with pluggy once a gateway."""

    @hookimpl(trylast=True)
    def deliver(self, deliveries: Sequence[Delivery], sink: Sink) -> Awaitable[Sequence[Result]]:
        return Carriage(deliveries, sink)


class Carriage:
    """The sink's work as an awaitable that has not begun.

    Not a coroutine, because a wrapper that raises drops what it was given, and a coroutine dropped un-awaited warns.
    """

    __slots__ = ("_deliveries", "_sink")

    def __init__(self, deliveries: Sequence[Delivery], sink: Sink) -> None:
        self._deliveries = deliveries
        self._sink = sink

    def __await__(self) -> Generator[Any, Any, Sequence[Result]]:
        return self._carry().__await__()

    async def _carry(self) -> Sequence[Result]:
        if len(self._deliveries) > 1:
            return await self._sink.deliver_batch(self._deliveries)
        try:
            receipt: object = await self._sink.deliver(self._deliveries[0])
        except Exception as error:
            return [error]
        if receipt is None or isinstance(receipt, str | Exception):  # an exception as `deliver_batch` gives it
            return [receipt]
        if inspect.isawaitable(receipt):
            if inspect.iscoroutine(receipt):
                receipt.close()
            return [TypeError("deliver returned something that it should have awaited, so nothing was sent")]
        # because returning at all means delivered: a receipt of the wrong type must not send the message again
        return [f"({type(receipt).__name__})"]
