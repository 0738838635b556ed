"""When SQLite's write-ahead log goes into the file: behind the answers of a commit, and best while nobody waits.

By itself SQLite does so inside the COMMIT that reaches a number of pages, and everyone of that batch waits for it as long as
for several flushes (docs/decisions/0018).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gateway.store.sqlite.disk_room import has_room
from gateway.store.sqlite.session import SqliteSession

PAGES: Final = 125  # of the log; so many are moved once no accept waits
PAGES_MAX: Final = 250  # and so many whoever waits, after COMMITS_MIN
COMMITS_MIN: Final = 4  # between two moves, so that large commits do not flush the file each time
LARGE_PAGES_MAX: Final = 1000  # but so many at once, after however few
OWN_PAGES_MAX: Final = 16_000  # from here on SQLite does it inside the COMMIT: what one piece of work alone may write
COMMIT_PAGES: Final = 6  # that a commit writes for nothing but being one; and one for each row it changes
SHARES: Final = (0.25, 8.0)  # between these is what it really writes, as times that


class Checkpoints:
    """The gateway's own connection's. Everything is called on the writer's thread.

    Nobody says how long the log is before it is moved. So it is reckoned from commits and changed rows, and each move says by
    how much that was wrong.
    """

    def __init__(self) -> None:
        self._commits = 0  # since the last move
        self._changes = 0  # of the connection, at the last move
        self._share = 1.0
        self._unmoved = False  # more is in the log than was reckoned, because the last move left something

    def use_connection(self, session: SqliteSession) -> None:
        """With a new connection."""
        session.rows(f"PRAGMA wal_autocheckpoint={OWN_PAGES_MAX}")
        self._commits, self._changes = 0, session.connection.total_changes

    def after_commit(self, session: SqliteSession, accepts_wait: Callable[[], bool]) -> None:
        """Everyone was answered: move the log if it is long."""
        self._commits += 1
        pages = self._reckoned(session) * self._share
        most = PAGES_MAX if self._commits >= COMMITS_MIN else LARGE_PAGES_MAX
        if pages >= PAGES and (pages >= most or not accepts_wait()):
            self.move(session)

    def move(self, session: SqliteSession) -> float:
        """Move what no reader still needs, and say how many seconds that took. Never raises: a full disk leaves it to a later one.

        Where the file has no room for all of it, nothing is moved, because commits need what room there is.
        """
        began = time.monotonic()
        reckoned = self._reckoned(session)
        self._commits, self._changes = 0, session.connection.total_changes
        complete, self._unmoved = not self._unmoved, True
        with suppress(Exception):
            if has_room(session):
                ((_, pages, moved),) = session.rows("PRAGMA wal_checkpoint(PASSIVE)")
                self._unmoved = moved != pages  # a reader keeps it from beginning anew
                if complete and not self._unmoved and reckoned >= PAGES / 4:  # else it says little
                    self._share = min(max(pages / reckoned, SHARES[0]), SHARES[1])
        return time.monotonic() - began

    def _reckoned(self, session: SqliteSession) -> int:
        return COMMIT_PAGES * self._commits + session.connection.total_changes - self._changes
