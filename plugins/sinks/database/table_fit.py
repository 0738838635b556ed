"""Looks at the table before anything is written: every reason why rows would not fit, all at once."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway import ALL_TYPES, Event, Refused, sample, suggestion
from plugins.sinks.database.column_values import Unfit, fit

_PROBLEMS_SHOWN_MAX: Final = 12  # problems in one message


async def reflect(connection: AsyncConnection, name: str, schema: str | None) -> sa.Table | None:
    """The table as the database has it; None where it has none."""
    return await connection.run_sync(_reflect, name, schema)


def _reflect(connection: sa.Connection, name: str, schema: str | None) -> sa.Table | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)  # of types it does not know: the driver gets the plain value
        try:
            table = sa.Table(name, sa.MetaData(), schema=schema, autoload_with=connection, resolve_fks=False)
            if not table.columns:  # another gateway made it since its columns were asked for, as can be on SQLite
                table = sa.Table(name, sa.MetaData(), schema=schema, autoload_with=connection, resolve_fks=False)
        except sa.exc.NoSuchTableError:
            return None
    for column in table.columns:
        if isinstance(column.type, sa.JSON):
            column.type.none_as_null = True
    return table


def problems(
    table: sa.Table, *, columns: Collection[str], key: Sequence[str], own: bool, dialect: str
) -> Iterator[str]:
    """Why rows with these columns, told apart by `key`, do not fit the table."""
    there = table.columns
    absent = [name for name in columns if name not in there]
    for name in absent:
        yield f"there is no column {name}" + ("" if own else suggestion(name, tuple(there.keys())))
    if own and absent:
        yield "so it is not the table that this sink makes: name another in `table`, or map its columns with `columns`"
    for column in there:
        if column.name in columns:
            if column.computed is not None or (column.identity is not None and column.identity.always):
                yield f"the database makes the values of column {column.name} itself: leave it out"
        elif not column.nullable and not _fills_itself(column, table, dialect):
            yield f"column {column.name} takes no null and has no default: give it an expression in `columns`"
    if not set(key) - set(there.keys()):
        yield from _key_problems(table, columns, key, dialect)


def _fills_itself(column: sa.Column[object], table: sa.Table, dialect: str) -> bool:
    if column.server_default is not None or column.identity is not None or column.computed is not None:
        return True
    return column is table.autoincrement_column and (dialect == "sqlite" or column.autoincrement is True)


def _key_problems(table: sa.Table, columns: Collection[str], key: Sequence[str], dialect: str) -> Iterator[str]:
    unique = [frozenset(names) for names in _unique(table)]
    if frozenset(key) not in unique:
        yield f"no primary key or unique index is on exactly ({', '.join(key)}), which tells one row from another: CREATE UNIQUE INDEX … ON {table.name} ({', '.join(key)})"
    if dialect == "mysql":  # its upsert takes whichever unique index collides
        for names in unique:
            if names != frozenset(key) and names & set(columns):
                yield f"another unique index is on ({', '.join(sorted(names))}), and MySQL would overwrite the row it finds by that"


def _unique(table: sa.Table) -> Iterator[Sequence[str]]:
    if len(table.primary_key.columns):
        yield [column.name for column in table.primary_key.columns]
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            yield [column.name for column in constraint.columns]
    for index in table.indexes:
        partial = any(
            index.dialect_kwargs.get(option) for option in ("postgresql_where", "sqlite_where", "mysql_length")
        )
        plain = all(isinstance(expression, sa.Column) for expression in index.expressions)
        if index.unique and not partial and plain:
            yield [column.name for column in index.columns]


def misfits(rows_of: Callable[[Event], Sequence[Mapping[str, object]]], table: sa.Table, dialect: str) -> Iterator[str]:
    """Columns that hold the value of no sample event: a type that never fits, or a null where none may be."""
    good: set[str] = set()
    bad: dict[str, str] = {}
    for event in (sample(type) for type in ALL_TYPES):
        with contextlib.suppress(Refused):  # an expression that fails on this type may be well on another
            for row in rows_of(event):
                for name, value in row.items():
                    try:
                        fit(value, table.columns[name], dialect)
                    except Unfit as unfit:
                        if value is not None or name not in bad:
                            bad[name] = f"column {name} ({table.columns[name].type}) gets {unfit}"
                    else:
                        good |= {name} if value is not None else set()
    yield from (text for name, text in bad.items() if name not in good)


def fitted(
    rows: Sequence[Mapping[str, object]], table: sa.Table, key: Sequence[str], dialect: str
) -> list[dict[str, object]]:
    """The rows as the driver wants them. Raises Refused, naming the column."""
    fitting = []
    for row in rows:
        for name in key:
            if row[name] is None:
                raise Refused(f"column {name} is part of the key, and this event has nothing for it")
        fit_row = {}
        for name, value in row.items():
            try:
                fit_row[name] = fit(value, table.columns[name], dialect)
            except Unfit as unfit:
                raise Refused(f"column {name} ({table.columns[name].type}): {unfit}") from None
        fitting.append(fit_row)
    if len({tuple(str(row[name]) for name in key) for row in fitting}) < len(fitting):
        raise Refused(
            f"several files of this event have the same key ({', '.join(key)}); add a column with `index` to it"
        )
    return fitting


def listed(found: Sequence[str], name: str) -> str:
    """All problems in one text."""
    more = f"; and {len(found) - _PROBLEMS_SHOWN_MAX} more" if len(found) > _PROBLEMS_SHOWN_MAX else ""
    return f"the table {name} does not fit: " + "; ".join(found[:_PROBLEMS_SHOWN_MAX]) + more
