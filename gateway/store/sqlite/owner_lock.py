"""One gateway per SQLite file: an operating-system lock that ends with its process."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.errors import StoreInUse, StoreUnavailable
from gateway.runtime.lean_imports import import_structlog
from gateway.store.sqlite.error_texts import cannot_open
from gateway.store.sqlite.open_file import OpenFiles

log = import_structlog().get_logger("gateway.store")

HOLDER_BYTES_MAX: Final = 100  # of the line in the lock file
_LOOK_SECONDS: Final = 0.1  # between two looks


def holder_of(store: Path) -> str | None:
    """What the gateway that serves this file says of itself, as `pid 4711, since 2026-01-01T12:00:00Z`; None: none does.

    The lock is tried for an instant, shared: a gateway that starts just then looks again a tenth of a second later.
    """
    try:
        handle = os.open(store.with_name(store.name + ".lock"), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.pread(handle, HOLDER_BYTES_MAX, 0).decode("utf-8", "replace").strip()
    finally:
        os.close(handle)
    return None


class OwnerLock:
    """`flock` on `<file>.lock`, which holds pid and start for the message.

    Not on the database itself: closing any handle of it would drop the lock.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._path = store.with_name(store.name + ".lock")
        self._handle: int | None = None
        self.used_before = False  # once it is taken: whether a gateway had it before this one

    async def acquire(self, wait: float) -> None:
        """Take the lock, waiting up to `wait` seconds. Raises StoreInUse, naming the holder, and StoreUnavailable."""
        until = time.monotonic() + wait
        waiting = False
        while not self.try_now():
            if not waiting and wait > 0:
                waiting = True
                log.warning("waiting_for_store", store=str(self._store), held_by=self._holder(), seconds=wait)
            if time.monotonic() >= until:
                raise StoreInUse(
                    f"the store {self._store} is held by another gateway, {self._holder()} (lock file {self._path}): "
                    "stop that one first, or give this one a store of its own"
                )
            await asyncio.sleep(_LOOK_SECONDS)

    def try_now(self) -> bool:
        """Take the lock if nobody has it. Raises StoreUnavailable."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR):
                text = f"the lock file {self._path} cannot be opened: {error.strerror}; remove what stands in its place"
                raise StoreUnavailable(text) from None
            raise StoreUnavailable(cannot_open(self._store, error)) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._handle = handle
        self.used_before = os.fstat(handle).st_size > 0
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"pid {os.getpid()}, since {datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}\n".encode(), 0)
        return True

    def _holder(self) -> str:
        with suppress(OSError):
            if line := self._path.read_text(errors="replace").strip()[:100]:
                return line
        return "which has not said its pid"

    def watch(self, files: OpenFiles) -> None:
        """Let the lock file be looked at with the store's: without its name another process could lock a second one."""
        if self._handle is not None:
            files.add(self._path, self._handle)

    def free(self) -> None:
        """Give the lock back. The file stays: removing it would let two processes lock two files of one name."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
