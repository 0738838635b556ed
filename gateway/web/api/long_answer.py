"""The answer to a consumer who waits: begun at once, so that it is seen when the consumer leaves, ended when there is something."""

from __future__ import annotations

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Self

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.admin.consumers import lease_answer
from gateway.admin.pull_messages import LeaseCommand
from gateway.dispatch.pulled_lane import PulledLane
from gateway.errors import StoreError
from gateway.runtime.lean_imports import import_structlog
from gateway.store.records import Pulled
from gateway.web.deadlines import HALF_CLOSED

BLANK_SECONDS: Final = 10.0  # between two blanks
PROBE_SECONDS: Final = 0.2  # in which a reset comes back

log = import_structlog().get_logger("gateway.web")


class LongAnswer(Response):
    """Made with what is there already, or with what to wait for; whatever nobody takes goes back untouched."""

    media_type = "application/json"

    def __init__(self, lane: PulledLane, length: int) -> None:
        super().__init__(None, 200, {"x-accel-buffering": "no"})
        self._lane = lane
        self._length = length
        self._place: AbstractContextManager[None] = nullcontext()
        self._asked: LeaseCommand | None = None
        self._may: Callable[[], bool] = lambda: True
        self._given = Pulled((), "empty")

    @classmethod
    def at_once(cls, lane: PulledLane, given: Pulled, length: int) -> Self:
        """An answer of what is there."""
        answer = cls(lane, length)
        answer._given = given
        return answer

    @classmethod
    def later(
        cls,
        place: AbstractContextManager[None],
        lane: PulledLane,
        asked: LeaseCommand,
        length: int,
        may: Callable[[], bool],
    ) -> Self:
        """An answer of what comes. Raises Problem 429 where there is no place to wait."""
        answer = cls(lane, length)
        answer._asked, answer._may = asked, may
        place.__enter__()
        answer._place = place
        return answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_gone(receive))
        try:
            for _ in range(2):
                await asyncio.sleep(0)  # so that what the caller did meanwhile is heard
            silent = HALF_CLOSED in scope  # it may have left, and would take with it what it is given
            begun = silent or self._asked is not None
            if begun:
                del self.headers["content-length"]
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            if silent:
                await _probe(send, gone)
            elif self._asked is not None:
                self._given = await self._waited(send, self._asked, gone)
            if gone.done():
                await self._lane.give_back(self._given.leases)
                return
            content = await lease_answer(self._lane, self._given, self._length)
            if not begun:
                self.headers["content-length"] = str(len(content))
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": content, "more_body": False})
        finally:
            gone.cancel()
            self._place.__exit__(None, None, None)

    async def _waited(self, send: Send, asked: LeaseCommand, gone: asyncio.Task[None]) -> Pulled:
        """What came, nothing where the caller left. Blanks go out meanwhile, with which JSON may begin, so that no proxy
        takes the connection for idle."""
        waiting = asyncio.ensure_future(self._wait(asked))
        try:
            while not waiting.done() and not gone.done():
                done, _ = await asyncio.wait({waiting, gone}, timeout=BLANK_SECONDS, return_when=FIRST_COMPLETED)
                if not done:
                    await send({"type": "http.response.body", "body": b" ", "more_body": True})
        finally:
            if not waiting.done():
                waiting.cancel()  # what is leased for it meanwhile goes back
                await asyncio.gather(waiting, return_exceptions=True)
        return self._given if waiting.cancelled() else waiting.result()

    async def _wait(self, asked: LeaseCommand) -> Pulled:
        try:
            return await self._lane.give_within(asked.wait, asked.max, self._length, self._may)
        except StoreError as error:  # the answer is begun, so its status cannot say it any more
            log.warning("lease_failed", sink=self._lane.sink.name, error=str(error))
            return Pulled((), "store_unavailable")


async def _probe(send: Send, gone: asyncio.Task[None]) -> None:
    """Find out whether a caller that says no more still listens: one that has left answers what is sent with a reset."""
    for _ in range(2):
        await asyncio.wait({gone}, timeout=PROBE_SECONDS)
        if not gone.done():
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
    await asyncio.wait({gone}, timeout=PROBE_SECONDS)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
