"""The store's tables as values: columns, keys and what refers to what, read from the steps that make them.

Because a list of tables beside those steps would forget the next one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import cache
from operator import attrgetter
from typing import Final, Literal, NamedTuple

import msgspec

from gateway.store.engine.migrations import statements

ColumnKind = Literal["int", "text", "blob"]
_KINDS: Final[Mapping[str, ColumnKind]] = {"INTEGER": "int", "TEXT": "text", "BLOB": "blob"}
_TABLES: Final = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
_INDEXES: Final = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"


class Reference(msgspec.Struct, frozen=True):
    """A column whose value is a key of another table."""

    column: str
    table: str
    key: str


class StoreTable(msgspec.Struct, frozen=True):
    """`key` are the columns of the primary key, in its order. `numbered`: the database gives the key, and none twice."""

    name: str
    columns: Sequence[str]
    kinds: Sequence[ColumnKind]
    key: Sequence[str]
    numbered: bool
    references: Sequence[Reference]


class Schema(msgspec.Struct, frozen=True):
    """`tables` stand behind those that they refer to; `indexes` are the names of all that were asked for."""

    tables: Mapping[str, StoreTable]
    indexes: frozenset[str]


@cache
def schema() -> Schema:
    """The tables of this program, as SQLite has understood the steps that make them."""
    with closing(sqlite3.connect(":memory:")) as database:
        for statement in statements("sqlite"):
            database.execute(statement)
        tables = [_table(database, name) for (name,) in database.execute(_TABLES).fetchall()]
        indexes = frozenset(name for (name,) in database.execute(_INDEXES))
    return Schema({table.name: table for table in _sorted(tables)}, indexes)


class _ColumnInfo(NamedTuple):
    """A column as `table_info` has it. `key_place`: 0, or where it stands in the key, from 1."""

    name: str
    kind: ColumnKind
    key_place: int


def _table(database: sqlite3.Connection, name: str) -> StoreTable:
    columns = [
        _ColumnInfo(name_, _KINDS[type_], place)
        for _, name_, type_, _, _, place in database.execute(f"PRAGMA table_info({name})").fetchall()
    ]
    ((text,),) = database.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchall()
    references = database.execute(f"PRAGMA foreign_key_list({name})").fetchall()
    return StoreTable(
        name=name,
        columns=[column.name for column in columns],
        kinds=[column.kind for column in columns],
        key=[column.name for column in sorted(columns, key=attrgetter("key_place")) if column.key_place],
        numbered="AUTOINCREMENT" in text,
        references=[Reference(column, table, key) for _, _, table, column, key, *_ in references],
    )


def _sorted(tables: Sequence[StoreTable]) -> Sequence[StoreTable]:
    """Each behind those that it refers to."""
    done: dict[str, StoreTable] = {}
    while len(done) < len(tables):
        for table in tables:
            if table.name not in done and all(other.table in done for other in table.references):
                done[table.name] = table
    return list(done.values())
