"""Makes the table where that is wanted, looks at it, and gives the statement that writes to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.schema import CreateTable

from gateway import FILE_COMPLETED, Event, Unavailable, sample
from plugins.sinks.database import ddl, own_table, table_fit, upsert
from plugins.sinks.database.options import DatabaseOptions

# What PostgreSQL says to the loser of a race, by how far the winner was: the table is there, its row type is there, or
# its names are being written into the catalogue.
_THERE_ALREADY: Final = {"42P07", "42710", "23505"}


@dataclass(frozen=True, slots=True)
class Ready:
    """A table that was found good, and how to write to it. `looked_at` is in seconds of the monotonic clock."""

    table: sa.Table
    statement: sa.Executable
    key: Sequence[str]
    looked_at: float


class Misfit(Unavailable):
    """The table is not one that rows can go into; `problems` are all of them, the text as many as fit."""

    def __init__(self, problems: Sequence[str], table: str) -> None:
        super().__init__(table_fit.listed(problems, table))
        self.problems = problems


async def inspect_table(
    engine: AsyncEngine,
    options: DatabaseOptions,
    *,
    dialect: str,
    where: str,
    key: Sequence[str],
    rows_of: Callable[[Event], list[dict[str, object]]],
    now: float,
) -> Ready:
    """Raises Misfit with every problem, Unavailable where there is no table, and what the driver raises."""
    own = options.columns is None
    schema, _, name = options.table.rpartition(".")
    table = await _reflect(engine, name, schema or None)
    if table is None and own and options.create:
        wanted = ddl.table(name, schema or None, rows=options.rows, key=options.key, dialect=dialect)
        lost = await _create(engine, wanted)
        table = await _reflect(engine, name, schema or None)
        if table is None and lost is not None:
            raise lost  # because what has the name is no table: a type of somebody's
    if table is None:
        raise Unavailable(f"{where}: there is no table {options.table}")
    columns = list(rows_of(sample(FILE_COMPLETED))[0]) if own else list(options.columns or ())
    found = list(table_fit.problems(table, columns=columns, key=key, own=own, dialect=dialect))
    if not found:
        found = list(table_fit.misfits(rows_of, table, dialect))
    if found:
        raise Misfit(found, options.table)
    version = own_table.VERSION if own else options.version
    statement = upsert.upsert(table, columns=columns, key=key, version=version, own=own, dialect=dialect)
    return Ready(table, statement, key, now)


async def _reflect(engine: AsyncEngine, name: str, schema: str | None) -> sa.Table | None:
    async with engine.connect() as connection:
        return await table_fit.reflect(connection, name, schema)


async def _create(engine: AsyncEngine, table: sa.Table) -> DBAPIError | None:
    """Losing the race against another gateway is as good as winning it: what the loser was told is given, not raised."""
    try:
        async with engine.begin() as connection:
            await connection.execute(CreateTable(table, if_not_exists=True))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in _THERE_ALREADY:
            raise
        return error
    return None
