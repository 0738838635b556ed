"""Where a feed lies: its state is read, changed and written together with its files, whoever else does the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from gateway import Retry
from plugins.sinks.storage.shared_object import SharedObjects, VersionedBytes

STATE_BYTES_MAX: Final = 64 * 1024 * 1024  # bytes of a state that is read
TURNS_MAX: Final = 20  # of one change, while others change the same
MEDIA_TYPES: Final[Mapping[str, str]] = {"xml": "application/rss+xml", "json": "application/feed+json"}


class Written(NamedTuple):
    """What is to lie there: the state, and the files by their names."""

    state: bytes
    files: Mapping[str, bytes]


Make = Callable[[bytes | None], Written]


class FeedPlace(Protocol):
    """One feed's part of a folder or bucket."""

    async def change(self, make: Make) -> None:
        """Hand on the state that is there (None: none), and write what is made of it: each file whole or not at all, the
        state first, so that whatever a crash cuts off is made again of it. `make` may be called again, off the loop.

        Raises Unavailable and Retry, and what `make` raises.
        """

    async def reach(self) -> str:
        """Change nothing; what answered, for people. Raises Unavailable."""

    async def close(self) -> None:
        """Let the last change end."""


class FeedBucket:
    """In an object store. Who finds the state changed after he wrote the files looks again, so that an older feed never
    stays over a newer one."""

    def __init__(self, store: SharedObjects, name: str) -> None:
        self._store = store
        self._state = f".{name}-state.json"
        self._one_at_a_time = asyncio.Lock()

    async def change(self, make: Make) -> None:
        async with self._one_at_a_time:
            current = await self._current()
            for _ in range(TURNS_MAX):
                written = await asyncio.to_thread(make, current and current.data)
                same = current is not None and current.data == written.state
                if same or await self._store.replace(self._state, written.state, current):
                    for name, data in written.files.items():
                        await self._store.put(name, data, media_type=MEDIA_TYPES[name.rpartition(".")[2]])
                current = await self._current()
                if current is not None and current.data == written.state:
                    return
            raise Retry("others change the feed all the time")

    async def _current(self) -> VersionedBytes | None:
        return await self._store.fetch(self._state, STATE_BYTES_MAX)

    async def reach(self) -> str:
        return await self._store.reach()

    async def close(self) -> None:
        await self._store.close()
