"""Takes what was erased out of SQLite's free pages and its write-ahead log, where deleting alone leaves it."""

from __future__ import annotations

from typing import Final

from gateway.store.engine.session import Session
from gateway.store.sqlite.session import SqliteSession

PAGES_MAX: Final = 500  # free pages given back in one step (4 MB), because accepts wait behind it
BUSY_MS: Final = 50  # how long a step waits for readers; the next one tries again

_ASK: Final = "INSERT INTO meta (name, value) VALUES ('scrub', '1') ON CONFLICT (name) DO NOTHING"
_ASKED: Final = "SELECT 1 FROM meta WHERE name = 'scrub'"
_DONE: Final = "DELETE FROM meta WHERE name = 'scrub'"


def request(session: Session) -> None:
    """Inside the transaction that erases: whoever owns the file scrubs it after the commit."""
    if session.backend == "sqlite":
        session.change(_ASK)


def asked(session: Session) -> bool:
    """Whether something was erased and is not scrubbed yet."""
    return bool(session.rows(_ASKED))


def step(session: SqliteSession) -> bool:
    """Go on scrubbing, on a connection that may checkpoint; whether there is no more to do.

    Pages that were freed without being overwritten leave the file, then the log is emptied; a reader may hold it up.
    """
    if not asked(session):
        return True
    ((waited,),) = session.rows("PRAGMA busy_timeout")
    session.rows(f"PRAGMA busy_timeout={BUSY_MS}")
    try:
        # A script, because of a statement without columns `execute` makes one step: one page.
        session.connection.executescript(f"PRAGMA incremental_vacuum({PAGES_MAX})")
        ((free,),) = session.rows("PRAGMA freelist_count")
        if free:
            return False
        ((busy, _, _),) = session.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            return False
    finally:
        session.rows(f"PRAGMA busy_timeout={waited}")
    session.change(_DONE)
    return True
