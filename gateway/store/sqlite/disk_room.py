"""Whether the disk has room for what is in SQLite's write-ahead log and not in the file yet.

The log begins anew only once all of it was moved. So a move for which there is no room wins nothing, and takes the room of
the next commits; and so does a log that is made larger ahead of them.
"""

from __future__ import annotations

import os

from gateway.store.sqlite.session import SqliteSession


def has_room(session: SqliteSession, more: int = 0) -> bool:
    """Whether the file can grow to all of its pages, and by `more` bytes. Raises OSError, sqlite3.Error."""
    disk = os.statvfs(session.path)
    if not disk.f_blocks:  # a file system that does not say
        return True
    ((pages,),) = session.rows("PRAGMA page_count")  # the log's too
    ((page_bytes,),) = session.rows("PRAGMA page_size")
    growth: int = max(0, pages * page_bytes - os.stat(session.path).st_size)
    return disk.f_bavail * disk.f_frsize >= growth + more
