"""Notices that the configuration file is another one, also where a mounted folder swaps its symlinks."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from gateway.runtime.clock import Clock

LOOK_SECONDS: Final = 1.0  # seconds between two looks; a change is believed when two looks in a row see the same

FILE_BYTES_MAX: Final = 1024 * 1024  # bytes; a larger file is no configuration

Look = tuple[str, int, int, int, int, bytes] | None


def identity_of(path: Path) -> Look:
    """What the file is now, behind all symlinks; None: it is not there."""
    try:
        real = os.path.realpath(path)
        status = os.stat(real)
        with open(real, "rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError:
        return None
    # because a file that is written twice within one tick of its file system's clock keeps its time, and may keep its size
    return real, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, hashlib.blake2b(content).digest()


class FileWatch:
    """Calls `changed` when the file became another one. A file that is gone, or is being written, is waited for."""

    def __init__(self, path: Path, changed: Callable[[], Awaitable[object]], clock: Clock) -> None:
        self._path = path
        self._changed = changed
        self._clock = clock
        self._known = identity_of(path)
        self._before = self._known

    async def watch_until_cancelled(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            await self.turn()

    async def turn(self) -> None:
        """One look."""
        now = await asyncio.to_thread(identity_of, self._path)
        settled = now == self._before
        self._before = now
        if now is not None and settled and now != self._known:
            self._known = now
            await self._changed()
