"""The way of a listing, and of a bulk act, round a damaged page: what lies on it is missed, and everything else is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Final, Literal, TypeVar

from gateway.store.engine.numbers import last_number
from gateway.store.engine.reruns import rerun
from gateway.store.engine.session import Columns, Session, Trouble
from gateway.store.engine.tables import schema

NEWEST_KEY: Final = 2**62  # above every key
COUNT_FAILURES_MAX: Final = 5_000  # statements of one count that meet damage; past it nobody should wait for a figure
ONWARD_FAILURES_MAX: Final = 200  # statements that meet damage in one look ahead; the next one goes on from there
_STEPPED_ROWS_MAX: Final = 200  # rows of one search that are tried one by one before it leaps: those of a few pages
_NARROWER: Final = 10  # times
_LAST_BEFORE: Final = 2  # before this comes the oldest row there can be

T = TypeVar("T")


class DamageBypass:
    """Of one search, newest first. It goes through the damage row by row, because the rows of a page need not follow one
    another; after many it leaps ever farther, since nobody can say where the damage ends, and from behind it back to its
    end. Farther on the windows are wide again."""

    def __init__(self, session: Session, table: Literal["events", "deliveries"]) -> None:
        self._session = session
        self._table = table
        self._window: int | None = None
        self._leap = 1
        self._steps = 0
        self._damaged: int | None = None  # the row before this one cannot be read
        self._readable: int | None = None  # and the one before this can: its end lies between

    def narrowed(self, most: int) -> int:
        """How many rows the next statement may look at."""
        return most if self._window is None else min(self._window, most)

    def rows(self, statement: str, values: Mapping[str, object]) -> Sequence[Columns]:
        """Ask, and once there was damage only along the keys."""
        if self._window is None:
            return self._session.rows(statement, values)
        return along_keys(self._session, partial(self._session.rows, statement, values))

    def met(self, error: Exception, at: int, most: int) -> int:
        """A statement over `most` rows before `at` failed: where the next one begins. Raises the error if it is no damage."""
        if self._session.trouble(error) is not Trouble.DAMAGED:
            raise error
        if most > 1:
            self._window = max(most // _NARROWER, 1)
            return at
        if at == NEWEST_KEY:
            at = last_key(self._session, self._table) + 1
        self._damaged = at
        if self._readable is not None and self._readable < at:
            return (self._readable + at) // 2
        self._readable = None
        leapt = at - self._leap
        self._steps += 1
        if self._steps > _STEPPED_ROWS_MAX:
            self._leap *= 2
        return max(leapt, _LAST_BEFORE) if at > _LAST_BEFORE else 1

    def passed(self, at: int) -> int | None:
        """A statement before `at` worked. Where the next one begins instead: rows were leapt over that can be read."""
        if self._damaged is not None and self._damaged - at > 1:
            self._readable = at
            return (self._damaged + at) // 2
        self._damaged = self._readable = None
        self._leap = 1
        if self._window is not None:
            self._window *= 2
        return None


def along_keys(session: Session, ask: Callable[[], T]) -> T:
    """What is asked beside damage. Run again by itself, because a search asks so hundreds of times."""

    def asked() -> T:
        with session.along_keys():
            return ask()

    return rerun(session, asked)


def last_key(session: Session, table: Literal["events", "deliveries"]) -> int:
    """The last key that a table gave, as its sequence says, which a damaged page of the table does not hide."""
    return last_number(session, schema().tables[table])


def readable(
    session: Session, ids: Sequence[int], ask: Callable[[Sequence[int]], Sequence[tuple[object, ...]]]
) -> list[tuple[object, ...]]:
    """The rows of these ids, in their order; without those that lie on a damaged page."""
    try:
        return list(ask(ids))
    except Exception as error:
        if session.trouble(error) is not Trouble.DAMAGED:
            raise

    def of_these(some: Sequence[int]) -> list[tuple[object, ...]]:
        try:
            return list(along_keys(session, partial(ask, some)))
        except Exception as error:
            if session.trouble(error) is not Trouble.DAMAGED:
                raise
        half = len(some) // 2
        return [*of_these(some[:half]), *of_these(some[half:])] if half else []

    return of_these(ids)


def readable_onwards(
    session: Session, ask: Callable[[int, int], tuple[Sequence[T], int]], after: int, upto: int
) -> tuple[Sequence[T], int]:
    """What `ask` gives of the keys above the first and up to the second of its values, and the last key that it speaks of:
    of as many as can be read at once. What cannot be read is passed over, key by key. Outside of any transaction, because
    SQLite writes nothing more in one that met damage."""
    keys = upto - after
    for _ in range(ONWARD_FAILURES_MAX):
        end = min(after + keys, upto)
        try:
            asked = partial(ask, after, end)
            return along_keys(session, asked) if end < upto else asked()
        except Exception as error:
            if session.trouble(error) is not Trouble.DAMAGED:
                raise
        if keys == 1:
            after += 1
            if after == upto:
                break
        keys = max(keys // _NARROWER, 1)
    return (), after


class UndamagedCount:
    """Sums up a table piece by piece, round its damaged pages. `statement` takes `:after` and `:upto`, keys of the table."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._failures = 0
        self.unread = 0  # keys that no answer speaks of, at most so many rows

    def rows(self, statement: str, after: int, upto: int) -> Iterator[Columns]:
        """The rows of each piece that can be read. Raises what the session does, and the error of too many pages."""
        try:
            values = {"after": after, "upto": upto}
            if not self._failures:
                yield from self._session.rows(statement, values)
                return
            yield from along_keys(self._session, partial(self._session.rows, statement, values))
        except Exception as error:
            self._failures += 1
            if self._session.trouble(error) is not Trouble.DAMAGED or self._failures > COUNT_FAILURES_MAX:
                raise
            if upto - after == 1:
                self.unread += 1
                return
            between = (after + upto) // 2
            yield from self.rows(statement, after, between)
            yield from self.rows(statement, between, upto)
