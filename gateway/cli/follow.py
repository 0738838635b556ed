"""Follows the events of a store, here or elsewhere: those that are new since the last look, none twice, none left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from gateway.store.admin.shown_rows import EventRow

PAGE_ROWS: Final = 200
OVERLAP_ROWS: Final = (
    200  # before the newest that are looked at again, because a transaction may commit after a later one
)
OVERLAP_SECONDS: Final = 5.0


class Events(Protocol):
    """StoreAdmin, or what stands for it elsewhere."""

    def events(self, *, limit: int = 50, before: int | None = None, **asked: Any) -> Sequence[EventRow]: ...


class EventFollower:
    """`newest` once, then `fresh` at every look. It asks for rows above a `seq`, so a look costs what is new."""

    def __init__(self, admin: Events, criteria: Mapping[str, object]) -> None:
        self._admin = admin
        self._criteria = criteria
        self._at = 0
        self._looked_at = 0.0
        self._seen: set[int] = set()

    def newest(self, count: int | None) -> list[EventRow]:
        """The newest that are meant, so many (None: all that are), oldest first."""
        self._at = self._newest()
        before = self._at + 1
        rows: list[EventRow] = []
        while count is None or len(rows) < count:
            limit = PAGE_ROWS if count is None else min(count - len(rows), PAGE_ROWS)
            page = self._admin.events(limit=limit, before=before, **self._criteria)
            rows += page
            if len(page) < limit:
                break
            before = page[-1].seq
        self._seen = {row.seq for row in self._above(max(self._at - OVERLAP_ROWS, 0), self._at + 1)}
        return rows[::-1]

    def fresh(self, now: float) -> list[EventRow]:
        """What came since, oldest first. `now`: by a clock that does not jump (s)."""
        newest = self._newest()
        if newest <= self._at and now - self._looked_at < OVERLAP_SECONDS:
            return []
        self._looked_at = now
        floor = max(self._at - OVERLAP_ROWS, 0)
        rows = [row for row in self._above(floor, newest + 1) if row.seq not in self._seen]
        self._at = max(newest, self._at)
        kept = self._at - OVERLAP_ROWS
        self._seen = {seq for seq in (*self._seen, *(row.seq for row in rows)) if seq > kept}
        return rows[::-1]

    def _newest(self) -> int:
        rows = self._admin.events(limit=1)
        return rows[0].seq if rows else 0

    def _above(self, floor: int, before: int) -> list[EventRow]:
        rows: list[EventRow] = []
        while True:
            page = self._admin.events(limit=PAGE_ROWS, before=before, after=floor, **self._criteria)
            rows += page
            if len(page) < PAGE_ROWS:
                return rows
            before = page[-1].seq
