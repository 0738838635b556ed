"""The loop of `gateway listen`: fetch, post, say what came back, until somebody ends it; what is held then goes back."""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.cli import output
from gateway.cli.keys import Keys
from gateway.cli.listen_lines import ListenLines
from gateway.cli.local_post import LocalAnswer, LocalPost
from gateway.cli.pull_client import PullClient, PulledEvent
from gateway.cli.remote_client import RefusedElsewhere
from gateway.errors import GatewayError
from gateway.runtime.rising_pause import RisingPause

LEASE_SPARE_SECONDS: Final = 30.0  # a lease lasts so much longer than a request may take
RETRY_SECONDS: Final = (1.0, 30.0)  # after no answer: the first pause, doubled up to the last
FOR_GOOD: Final = frozenset({400, 401, 403, 404, 409})
LEASE_LOST: Final = 409
REPLAY, QUIT = "r", "q"


class ListenLoop:
    """One run. `listen` returns when `q` is pressed, raises GatewayError when the gateway refuses for good."""

    def __init__(self, client: PullClient, target: LocalPost, lines: ListenLines, keys: Keys, timeout: float) -> None:
        self._client = client
        self._target = target
        self._lines = lines
        self._keys = keys
        self._lease_seconds = timeout + LEASE_SPARE_SECONDS
        self._fetched: PulledEvent | None = None
        self._last: PulledEvent | None = None
        self._pauses = RisingPause(*RETRY_SECONDS)
        self._pause = 0.0  # before the next fetch
        self._why = ""

    async def listen(self) -> None:
        """Until `q`, or cancelled by Ctrl-C."""
        asking: asyncio.Task[None] | None = None
        try:
            while True:
                if asking is None:
                    asking = asyncio.create_task(self._fetch())
                pressed = asyncio.create_task(self._keys.next())
                await asyncio.wait({asking, pressed}, return_when=asyncio.FIRST_COMPLETED)
                if pressed.done() and await self._obey(pressed.result()):
                    return
                pressed.cancel()
                if asking.done():
                    asking.result()
                    asking = None
                    await self._carry()
        finally:
            if asking is not None:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
            await self._release_rest()

    async def _fetch(self) -> None:
        """One delivery, held; or nothing, after half a minute or a pause."""
        await asyncio.sleep(self._pause)
        try:
            self._fetched, why = await self._client.fetch(self._lease_seconds)
        except GatewayError as error:
            if isinstance(error, RefusedElsewhere) and error.status in FOR_GOOD:
                raise
            self._rest(str(error).splitlines()[0])
            return
        if why == "stopping":
            self._rest("the gateway stops or was reloaded")
        elif why not in {"", "empty", self._why}:
            output.remark(f"nothing is handed out: {why}")
        self._why = why
        if why != "stopping":
            self._pauses.went_well()
            self._pause = 0.0

    def _rest(self, why: str) -> None:
        if not self._pauses.failures:
            output.remark(f"{why}; trying again")
        self._pause = self._pauses.failed()

    async def _carry(self) -> None:
        fetched = self._fetched
        if fetched is None:
            return
        self._last = fetched
        posted = await self._post(fetched)
        try:
            if posted.failure is None:
                await self._client.ack(fetched)
            else:
                await self._client.nack(fetched, posted.failure)
        except GatewayError as error:
            lost = isinstance(error, RefusedElsewhere) and error.status == LEASE_LOST
            output.remark("its lease had ended: it comes again" if lost else str(error).splitlines()[0])
        self._fetched = None
        if not posted.reached:
            self._rest(f"nothing answers at {self._target.url}: is your program running?")

    async def _post(self, fetched: PulledEvent, *, replay: bool = False) -> LocalAnswer:
        self._lines.sent(fetched, self._target.url, replay=replay)
        posted = await self._target.post(fetched, replay=replay)
        self._lines.answered(posted, replay=replay)
        return posted

    async def _obey(self, key: str) -> bool:
        if key == REPLAY:
            if self._last is None:
                output.remark("nothing came yet")
            else:
                await self._post(self._last, replay=True)
        return key == QUIT

    async def _release_rest(self) -> None:
        if self._fetched is None:
            return
        try:
            await self._client.give_back(self._fetched)
        except GatewayError as error:
            output.remark(
                f"it could not be handed back, and comes again when its lease ends: {str(error).splitlines()[0]}"
            )
        else:
            output.remark("one delivery is handed back untouched")
        self._fetched = None
