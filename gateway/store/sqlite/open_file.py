"""Whether the files that are open are still those that the next start would open."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.errors import StoreFileGone

SIDECARS: Final = ("-wal", "-shm")  # SQLite's own files beside the database
_Identity = tuple[int, int]  # device, inode


class OpenFiles:
    """Device and inode of a store's file, and of those beside it, as they were when they were opened.

    Because an open file outlives its name: what is written to one that was deleted, renamed or replaced is acknowledged,
    and gone at the next start.
    """

    def __init__(self, store: Path) -> None:
        """Before the store is opened. Raises OSError: it is not there."""
        self._store = store
        # SQLite follows a link to the database and puts its own files beside the target
        self._sidecars = [Path(os.path.realpath(store) + ending) for ending in SIDECARS]
        self._filled = False  # it had a page once
        self._emptied = False
        self._seen = {store: _identity(os.stat(store))}

    def opened(self) -> None:
        """It is open, and SQLite's files beside it with it. Raises StoreFileGone: another took its place meanwhile."""
        self.check()
        for path in self._sidecars:
            with suppress(FileNotFoundError):  # whoever closes last takes it along, perhaps just now
                self._seen[path] = _identity(os.stat(path))

    def add(self, path: Path, handle: int) -> None:
        """One more file, open as `handle`."""
        self._seen[path] = _identity(os.fstat(handle))

    def same_store(self, other: OpenFiles) -> bool:
        """Whether both opened one file."""
        return self._seen.get(self._store) == other._seen.get(other._store)

    def check(self) -> None:
        """Raises StoreFileGone. A look at each name costs about two microseconds."""
        for path, identity in self._seen.items():
            try:
                status = os.stat(path)
            except OSError as error:
                raise self._gone(path, f"is gone ({error.strerror})") from None
            if _identity(status) != identity:
                raise self._gone(path, "was replaced by another file")
            if path != self._store:
                continue
            self._filled = self._filled or status.st_size > 0
            if self._emptied or (self._filled and not status.st_size):
                self._emptied = True  # for good, because the pages that are written later do not make it whole
                raise self._gone(path, "was emptied", "stop the gateway and bring back a copy")

    def can_be_rescued(self) -> bool:
        """Whether the store's file is there and whole, and what took the place of SQLite's beside it holds nothing yet."""
        try:
            main = _identity(os.stat(self._store)) == self._seen.get(self._store)
        except OSError:
            return False
        return main and not self._emptied and all(self._harmless(path) for path in self._sidecars)

    def successor_has_log(self) -> bool:
        """Whether the write-ahead log of this name is another's: closing must not delete it."""
        log = self._sidecars[0]
        try:
            return log in self._seen and _identity(os.stat(log)) != self._seen[log]
        except OSError:
            return False

    def _harmless(self, path: Path) -> bool:
        try:
            found = os.stat(path)
        except OSError:
            return True
        return _identity(found) == self._seen.get(path) or not found.st_size

    def _gone(
        self, path: Path, what: str, then: str = "put it back, or stop the gateway and start it again"
    ) -> StoreFileGone:
        return StoreFileGone(
            f"the store's file {path} {what} while it was open: {then}; "
            "until then nothing is taken, because what is written now would be gone at the next start"
        )


def _identity(found: os.stat_result) -> _Identity:
    return found.st_dev, found.st_ino
