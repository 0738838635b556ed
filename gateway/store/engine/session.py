"""One connection to a store, whichever database it is: what the rules and the people's side stand on."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from gateway.store.engine.cipher import Cipher

Columns = tuple[Any, ...]  # of a row, as the drivers have them; who asked for it names them
TellProgress = Callable[[int], object]  # of what goes over many rows: how many are done


class Trouble(enum.Enum):
    """What a database's error means for the work in hand."""

    ITEM = "item"  # this one statement's values are refused for ever: a constraint, a value that cannot be held
    STORE = "store"  # nothing was committed; the connection may go on
    LOST = "lost"  # the connection is gone: whether the commit happened is unknown
    AGAIN = "again"  # a deadlock or a serialisation failure: run the same work again
    GONE = "gone"  # somebody deleted what this refers to, after it was looked at: run it again, and it is not found
    DAMAGED = "damaged"  # a page of the database cannot be read: what lies on it is lost, the rest is not
    BUG = "bug"  # not the database's: ours


class Session(Protocol):
    """A connection in autocommit. Statements are texts with `:name` parameters, the same for both databases.

    `:now` is the store's time in milliseconds: the server's on PostgreSQL unless a test freezes it.
    """

    backend: Literal["sqlite", "postgresql"]
    reduced: bool  # rows stand in for advisory locks and sequences (see postgres/reduced.py)
    cipher: Cipher | None  # the keys of what is encrypted; None: everything is stored in plain

    def now(self) -> int | None:
        """The store's time where it is our own clock's; None: the server says it."""

    def look_at_clock(self) -> int | None:
        """The same, read anew. Between two looks time only passes: a clock that is set is seen by a look before any row is
        written by it."""

    def rows(self, sql: str, values: Mapping[str, object] = ...) -> Sequence[Columns]:
        """Run one statement; its rows, if it gives any."""

    def change(self, sql: str, values: Mapping[str, object] = ...) -> int:
        """Run one statement; the number of rows it changed."""

    def atomic(self) -> AbstractContextManager[None]:
        """A writing transaction, committed at the end of the block, rolled back by an exception. Inside another: nothing."""

    def alone(self) -> AbstractContextManager[None]:
        """A writing transaction that every other maker of tables waits for."""

    @property
    def under_way(self) -> bool:
        """Whether a transaction has begun."""

    def lock(self, names: Collection[str]) -> None:
        """Inside a transaction: nobody else holds any of these names until its end."""

    def along_keys(self) -> AbstractContextManager[None]:
        """For statements beside a damaged page: they read the rows that they ask for by key, and no whole table."""

    def trouble(self, error: BaseException) -> Trouble:
        """What an exception out of this session means."""

    def passes(self, error: BaseException) -> bool:
        """Whether the same would work in a moment: somebody else had a lock, or there was no connection to be had."""

    def explain(self, error: BaseException) -> str:
        """One line for people about an exception, without secrets or stored values."""

    def check(self) -> None:
        """Whether what is open is still what the next start would open. Raises StoreFileGone (SQLite)."""

    def close(self) -> None:
        """Close the connection; never raises."""


def value_of(rows: Sequence[Columns]) -> Any:
    """The one value that a statement gave, or None: it gave no row."""
    for (value,) in rows:
        return value
    return None


def number_of(rows: Sequence[Columns]) -> int:
    """The one number that a statement always gives, as a count does."""
    ((number,),) = rows
    return int(number)
