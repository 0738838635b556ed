"""A deadline on our side for each statement: a server that hangs without an error must not hold its caller for ever."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

LOOK_SECONDS: Final = 0.25  # how much later than its deadline a statement may be cut off


class Deadlines:
    """Shuts the sockets of statements that are late; the driver then sees a connection that its server closed.

    One thread for all connections, which runs while there are any. A statement costs two turns of a lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until: dict[int, float] = {}  # file descriptor -> monotonic
        self._users = 0
        self._running = False

    def add(self) -> None:
        """One more connection."""
        with self._lock:
            self._users += 1
            if not self._running:
                self._running = True
                threading.Thread(target=self._watch, name="store-deadlines", daemon=True).start()

    def remove(self) -> None:
        """One less."""
        with self._lock:
            self._users -= 1

    @contextmanager
    def ends_within(self, handle: int, seconds: float) -> Iterator[None]:
        """What happens inside ends within `seconds`, or its connection does."""
        with self._lock:
            self._until[handle] = time.monotonic() + seconds
        try:
            yield
        finally:
            with self._lock:  # so that the number is nobody else's when it is shut
                self._until.pop(handle, None)

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                if not self._users:
                    self._running = False
                    return
                with suppress(
                    Exception
                ):  # the next look comes: without one a server that hangs holds its caller for ever
                    self._shut_late()

    def _shut_late(self) -> None:
        now = time.monotonic()
        for handle in [handle for handle, until in self._until.items() if until <= now]:
            with suppress(OSError):
                _shut(handle)
            del self._until[handle]


def _shut(handle: int) -> None:
    with socket.socket(fileno=os.dup(handle)) as copy:
        copy.shutdown(socket.SHUT_RDWR)


DEADLINES: Final = Deadlines()
