"""The log of what people erased: sinks that keep something of an event are told by it, whichever gateway carried it there."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.store.engine.session import Session

PAGE_ROWS_MAX: Final = 500

_NOTE: Final = "INSERT INTO erasures (source, ref, at) VALUES (:source, :ref, :now)"
_PAGE: Final = "SELECT id, source, ref, at FROM erasures WHERE id > :after ORDER BY id LIMIT :most"
_FORGET: Final = """DELETE FROM erasures WHERE id IN (
  SELECT e.id FROM erasures e WHERE e.at <= :now - :remember ORDER BY e.id LIMIT :most)"""


class ErasureRow(NamedTuple):
    """One event that is gone: `ref` of its source, and when (ms). Rows are seen in the order of their ids, because a
    person's erasing holds the lock of recordings until it is committed."""

    id: int
    source: str
    ref: str
    at: int


def note(session: Session, source: str, ref: str) -> None:
    """Inside the transaction that erases it, under the lock of recordings."""
    session.change(_NOTE, {"source": source, "ref": ref})


def page(session: Session, after: int) -> list[ErasureRow]:
    """The next rows of the log."""
    return [ErasureRow(*row) for row in session.rows(_PAGE, {"after": after, "most": PAGE_ROWS_MAX})]


def forget(session: Session, remember: int, most: int) -> int:
    """Delete rows older than `remember` ms; how many."""
    return session.change(_FORGET, {"remember": remember, "most": most})
