"""Hears that somebody else wrote to the file, and perhaps left rows to claim."""

from __future__ import annotations

from collections.abc import Callable

from gateway.store.engine.session import Session
from gateway.store.outbox import counts


class DataVersion:
    """SQLite's own sign that another process committed, read on the writer's connection, which does not see itself in it."""

    def __init__(self, wake: Callable[[str], None]) -> None:
        self._wake = wake
        self._seen: int | None = None

    def wake_if_changed(self, session: Session) -> bool:
        """Wake the sinks that have due rows, if somebody else wrote since the last look; whether it did."""
        ((version,),) = session.rows("PRAGMA data_version")
        changed = self._seen is not None and version != self._seen
        self._seen = version
        if changed:
            ((now,),) = session.rows("SELECT :now")
            for one in counts.due(session):
                if one.at is not None and one.at <= now:
                    self._wake(one.sink)
        return changed
