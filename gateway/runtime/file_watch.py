"""Notices that the configuration, or a file that it names, is another one, also where a mounted folder swaps its symlinks."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.text.regular_file import NotRegular, open_regular

LOOK_SECONDS: Final = 1.0  # seconds between two looks; a change is believed when two looks in a row see the same

FILE_BYTES_MAX: Final = 1024 * 1024  # bytes; a larger file is no configuration

FileState = tuple[str, int, int, int, int, bytes] | None


def identity_of(path: Path) -> FileState:
    """What the file is now, behind all symlinks; None: it is not there."""
    try:
        real = os.path.realpath(path)
        status = os.stat(real)
        content = b""
        with suppress(NotRegular), open_regular(real) as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError:
        return None
    # because a file that is written twice within one tick of its file system's clock keeps its time, and may keep its size
    return real, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size, hashlib.blake2b(content).digest()


class FileWatch:
    """Calls `changed` when one of the files became another one. The first is waited for while it is gone; that another one
    is gone is a change. What is being written is waited for. `files` is asked at each look; a new one is not a change."""

    def __init__(self, files: Callable[[], Sequence[Path]], changed: Callable[[], Awaitable[object]]) -> None:
        self._files = files
        self._changed = changed
        self._known = self._looks()
        self._before = self._known

    async def turn(self) -> None:
        """One look; `LOOK_SECONDS` between two."""
        now = await asyncio.to_thread(self._looks)
        settled = now == self._before
        self._before = now
        first = next(iter(now))
        self._known = {path: self._known.get(path, look) for path, look in now.items()}
        if now[first] is not None and settled and now != self._known:
            self._known = now
            await self._changed()

    def _looks(self) -> dict[Path, FileState]:
        return {path: identity_of(path) for path in self._files()}
