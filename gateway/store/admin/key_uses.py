"""When each key of a source last verified a callback: known by the key's mark, so that it stays when the list changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.store.engine.session import Session

Uses = Mapping[tuple[str, str], int]
"""By source and mark: when it last verified something, in ms."""

_PUT: Final = """INSERT INTO key_uses AS t (source, mark, last_at) VALUES (:source, :mark, :at)
  ON CONFLICT (source, mark) DO UPDATE SET last_at = excluded.last_at WHERE t.last_at < excluded.last_at"""
_ALL: Final = "SELECT source, mark, last_at FROM key_uses"


def write_uses(session: Session, uses: Uses) -> None:
    """Write them; an earlier one than is known changes nothing."""
    with session.atomic():
        for (source, mark), at in uses.items():
            session.change(_PUT, {"source": source, "mark": mark, "at": at})


def all_uses(session: Session) -> Uses:
    """Every key that ever verified something: a few rows a source."""
    return {(source, mark): int(at) for source, mark, at in session.rows(_ALL)}
