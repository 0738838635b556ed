"""The way of a listing round a damaged page: what lies on it is not shown, and everything else is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from gateway.store.engine.session import Session, Trouble

NEWEST_KEY: Final = 2**62  # above every key
_NARROWER: Final = 10  # times
_LAST: Final = {
    "sqlite": "SELECT seq FROM sqlite_sequence WHERE name = '{table}'",
    "postgresql": "SELECT pg_sequence_last_value(CAST(pg_get_serial_sequence('{table}', '{key}') AS regclass))",
}
_KEYS: Final = {"events": "seq", "deliveries": "id"}


class Detour:
    """Of one search, newest first. It comes near the damage row by row, then leaps ever farther, since nobody can say
    where the damage ends; behind it the windows are wide again."""

    def __init__(self, session: Session, table: Literal["events", "deliveries"]) -> None:
        self._session = session
        self._table = table
        self._window: int | None = None
        self._leap = 1

    def narrowed(self, most: int) -> int:
        """How many rows the next statement may look at."""
        return most if self._window is None else min(self._window, most)

    def met(self, error: Exception, at: int, most: int) -> int:
        """A statement over `most` rows before `at` failed: where the next one begins. Raises the error if it is no damage."""
        if self._session.trouble(error) is not Trouble.DAMAGED:
            raise error
        if most > 1:
            self._window = max(most // _NARROWER, 1)
            return at
        if at == NEWEST_KEY:
            at = self._last() + 1
        at -= self._leap
        self._leap *= 2
        return max(at, 1)

    def passed(self) -> None:
        """A statement worked."""
        self._leap = 1
        if self._window is not None:
            self._window *= 2

    def _last(self) -> int:
        text = _LAST[self._session.backend].format(table=self._table, key=_KEYS[self._table])
        rows = self._session.rows(text)
        return int(rows[0][0]) if rows and rows[0][0] is not None else 0


def readable(
    session: Session, ids: Sequence[int], ask: Callable[[Sequence[int]], Sequence[tuple[Any, ...]]]
) -> list[tuple[Any, ...]]:
    """The rows of these ids, in their order; without those that lie on a damaged page."""
    try:
        return list(ask(ids))
    except Exception as error:
        if session.trouble(error) is not Trouble.DAMAGED:
            raise
    if len(ids) < 2:
        return []
    half = len(ids) // 2
    return [*readable(session, ids[:half], ask), *readable(session, ids[half:], ask)]
