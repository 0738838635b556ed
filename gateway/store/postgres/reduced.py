"""What stands in for advisory locks and sequences on a server that has none, or is not to be asked for them: rows.

A store is made for one of the two and keeps it, because gateways that lock in different ways would not keep each other out.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping
from typing import Final

from gateway.store.engine.reruns import rerun
from gateway.store.engine.session import Session, value_of

LOCK_ROWS: Final = 1024  # rows of `locks`: two names in one slot only wait for each other
_PROBE: Final = "SELECT pg_advisory_xact_lock(5935186912435627383)"  # nobody else's number
_LOCKS: Final = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted"
_MARKED: Final = "SELECT count(*) FROM meta WHERE name = 'reduced'"

# In the order of their slots, so that two who want several do not each wait for the other.
TAKE: Final = """INSERT INTO locks AS l (slot, taken) SELECT slot, 1 FROM unnest(CAST(:slots AS integer[])) AS slot ORDER BY slot
  ON CONFLICT (slot) DO UPDATE SET taken = l.taken + 1"""
NUMBERS: Final = """INSERT INTO numbers AS n (name, given)
  SELECT name, many FROM unnest(CAST(:names AS text[]), CAST(:many AS bigint[])) AS x (name, many) ORDER BY name
  ON CONFLICT (name) DO UPDATE SET given = n.given + excluded.given RETURNING n.name, n.given"""


def slots_of(names: Collection[str]) -> list[int]:
    """The rows of `locks` that stand for these names; every version must say the same."""
    return sorted({zlib.crc32(name.encode()) % LOCK_ROWS for name in names})


def take_numbers(session: Session, counts: Mapping[str, int]) -> Mapping[str, int]:
    """Numbers that nobody else is given, so many of each table: the one before the first. In the order in which they are asked
    for, because of two deliveries of one stream the lower goes first, whichever gateways took them."""
    values = {"names": list(counts), "many": list(counts.values())}
    return {name: int(given) - counts[name] for name, given in session.rows(NUMBERS, values)}


def is_marked(session: Session) -> bool | None:
    """Whether the store was made in the reduced mode; None: it has no tables yet, or they are another program's."""
    ((there,),) = session.rows("SELECT count(*) FROM pg_class WHERE oid = to_regclass('meta')")
    try:
        return bool(value_of(session.rows(_MARKED))) if there else None
    except Exception as error:
        if session.passes(error):
            raise
        return None


def locks_exclude(session: Session) -> bool:
    """Whether an advisory lock is one here. Some servers take the call, and lock nothing."""

    def is_locked() -> bool:
        with session.atomic():
            session.rows(_PROBE)
            return bool(value_of(session.rows(_LOCKS)))

    try:
        return rerun(session, is_locked)
    except Exception as error:
        if session.passes(error):
            raise
        return False
