"""Room in SQLite's write-ahead log before it is needed: a flush is short only where the file need not grow for it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.store.sqlite.disk_room import has_room
from gateway.store.sqlite.session import SqliteSession

STEP_BYTES: Final = 1024 * 1024  # from here on the log is made larger, each time by so much or by half
ROOM_BYTES_MAX: Final = (
    8 * 1024 * 1024
)  # what is written between two checkpoints; from then on the log begins anew in it
COMMITS_APART: Final = 32  # between two looks at a log that has all of its room, or none: somebody may have emptied it


class LogRoom:
    """One store file's, for the connection that owns it.

    Zeros behind the last frame are none: SQLite reads the log up to the first frame that does not fit its header, and a log
    that was begun anew has old frames there. They are written, not reserved, because a reserved block is charged at its flush
    as well.
    """

    def __init__(self, store: Path) -> None:
        self._log = Path(os.path.realpath(store) + "-wal")
        self._roomy_to = 0  # bytes up to which SQLite need not ask for more
        self._look_after = 0  # commits

    def make(self, session: SqliteSession) -> None:
        """Between two commits: make more, if the last one had to ask for it. Never raises."""
        if self._look_after:  # a look lets go of the interpreter, which costs as much as an event
            self._look_after -= 1
            return
        with suppress(Exception):  # a full disk, a log that is gone, somebody who writes: the next commit finds it
            size = self._log.stat().st_size
            self._roomy_to = min(self._roomy_to, size)  # it was emptied meanwhile
            if self._roomy_to < size and STEP_BYTES <= size < ROOM_BYTES_MAX:
                self._roomy_to = self._grown(session)
            elif size >= ROOM_BYTES_MAX:
                self._look_after = COMMITS_APART

    def _grown(self, session: SqliteSession) -> int:
        with session.atomic():  # so that nobody else's frame comes to stand where we write
            size = self._log.stat().st_size
            size_after = min(size + max(STEP_BYTES, size // 2), ROOM_BYTES_MAX)
            if not has_room(
                session, 2 * (size_after - size)
            ):  # in the log, and for what comes to stand there in the file
                self._look_after = COMMITS_APART
                return self._roomy_to
            handle = os.open(self._log, os.O_WRONLY | os.O_CLOEXEC)
            try:
                _write_zeros(handle, size, size_after)
            except OSError:
                os.ftruncate(handle, size)  # the last room of a disk is the file's
                raise
            finally:
                os.close(handle)
        return size_after


def _write_zeros(handle: int, start: int, end: int) -> None:
    while start < end:
        start += os.pwrite(handle, bytes(min(STEP_BYTES, end - start)), start)
    os.fdatasync(handle)
