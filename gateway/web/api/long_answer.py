"""The answer to a consumer who waits: begun at once, so that it is seen when the consumer leaves, ended when there is something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Self

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.admin.pull_desk import lease_answer
from gateway.admin.pull_messages import LeaseCommand
from gateway.dispatch.pulled_lane import PulledLane
from gateway.errors import StoreError
from gateway.runtime.lean_imports import import_structlog
from gateway.store.records import Pulled

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
            if self._asked is None:
                await asyncio.sleep(0)  # so that a caller who has gone already is seen
            else:
                del self.headers["content-length"]
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                waiting = asyncio.ensure_future(self._wait(self._asked))
                try:
                    await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    if not waiting.done():
                        waiting.cancel()  # what is leased for it meanwhile goes back
                        await asyncio.gather(waiting, return_exceptions=True)
                if waiting.cancelled():
                    return
                self._given = waiting.result()
            if gone.done():
                await self._lane.give_back(self._given.leases)
                return
            content = await lease_answer(self._lane, self._given, self._length)
            if self._asked is None:
                self.headers["content-length"] = str(len(content))
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": content, "more_body": False})
        finally:
            gone.cancel()
            self._place.__exit__(None, None, None)

    async def _wait(self, asked: LeaseCommand) -> Pulled:
        try:
            return await self._lane.give_within(asked.wait, asked.max, self._length, self._may)
        except StoreError as error:  # the answer is begun, so its status cannot say it any more
            log.warning("lease_failed", sink=self._lane.sink.name, error=str(error))
            return Pulled((), "store_unavailable")


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
