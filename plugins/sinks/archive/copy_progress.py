"""One delivery underway: its memo, how far it is, and the heartbeat that says so while anything gets on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator, MutableMapping
from typing import Any, Final, TypeVar

from gateway import Delivery, Http, Progress

BEAT_SECONDS: Final = 2.0  # between two words that it gets on
STILL_SECONDS_MAX: Final = 900.0  # without a byte anywhere; then nothing is said, and `delivery.timeout` cuts it off

T = TypeVar("T")


class CopyProgress:
    """The memo has one part a file. Bytes are counted over all files; the total is known once each file's is."""

    def __init__(self, delivery: Delivery, http: Http, files: int) -> None:
        self.delivery = delivery
        self.memo: dict[str, Any] = _memo_of(delivery)
        self.text = ""
        self._clock = http.clock
        self.files = files
        self._done: dict[str, int] = {}
        self._total: dict[str, int] = {}
        self._moved_at = http.clock.monotonic()
        self._waits = 0

    def memo_of(self, number: int) -> MutableMapping[str, object]:
        """This file's part, to be changed in place and kept by `keep`."""
        files: dict[str, object] = self.memo["files"]
        part = files.get(str(number))
        if not isinstance(part, dict):
            part = files[str(number)] = {}
        return part

    def show(self, name: str, done: int, total: int | None, text: str = "") -> None:
        """How far what is called `name` is, in bytes: a download, an upload."""
        self._done[name] = done
        if total is not None:
            self._total[name] = total
        self.moved(text)

    def moved(self, text: str = "") -> None:
        """Something got on; `text` says what."""
        self.text = text or self.text
        self._moved_at = self._clock.monotonic()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Around a wait for others, who get on or are cut off themselves: it is no standing still."""
        self._waits += 1
        try:
            yield
        finally:
            self._waits -= 1
            self.moved()

    async def keep(self) -> None:
        """Make the memo durable. Raises Stopping."""
        await self.delivery.alive(self.memo, self._progress())

    async def beside(self, work: Awaitable[T]) -> T:
        """What the work gives, while the heartbeat goes on beside it. Raises Stopping, and what the work raises."""
        task = asyncio.ensure_future(work)
        beat = asyncio.ensure_future(self._beat())
        try:
            await asyncio.wait({task, beat}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                beat.result()  # raises what ended it
            return await task
        finally:
            await cancelled(task, beat)

    async def _beat(self) -> None:
        while True:
            if self._waits or self._clock.monotonic() - self._moved_at < STILL_SECONDS_MAX:
                await self.delivery.alive(None, self._progress())
            await self._clock.sleep(BEAT_SECONDS)

    def _progress(self) -> Progress:
        complete = len(self._total) >= max(self.files, len(self._done))
        total = sum(self._total.values()) if complete and self._total else None
        return Progress(sum(self._done.values()), total, self.text)


async def cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancel what is not done, and wait until it is."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _memo_of(delivery: Delivery) -> dict[str, object]:
    """What the last attempt left, as a copy that may be changed."""
    files = delivery.memo.get("files")
    parts = files.items() if isinstance(files, dict) else ()
    return {"files": {str(name): dict(part) for name, part in parts if isinstance(part, dict)}}
