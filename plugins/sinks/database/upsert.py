"""The one statement of the sink: insert a row, or fill in the row that is there, in each database's own words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from plugins.sinks.database.own_table import STORED_AT


def upsert(
    table: sa.TableClause, *, columns: Sequence[str], key: Sequence[str], version: str | None, own: bool, dialect: str
) -> sa.Executable:
    """For `execute` with rows that have `columns`. What an event does not know never erases what the row has.

    With `version` an event that is older than the row only fills what is empty.
    """
    if dialect == "mysql":
        statement: Any = mysql.insert(table)
        new = statement.inserted
    elif dialect == "postgresql":
        statement = postgresql.insert(table)
        new = statement.excluded
    else:
        # without types, because `fit` has made what SQLite stores, and SQLAlchemy would make it again
        table = sa.table(table.name, *map(sa.column, columns), schema=table.schema)
        statement = sqlite.insert(table)
        new = statement.excluded
    rest = [name for name in columns if name not in key]
    changes = [(name, _merged(new, table, name, version, own)) for name in rest if name != version]
    if version in rest:  # last, because MySQL's assignments see those before them
        changes.append((version, _merged(new, table, version, version, own)))
    if dialect == "mysql":
        # An assignment at least, because there is no other way to do nothing.
        return statement.on_duplicate_key_update(changes or [(key[0], table.c[key[0]])])  # type: ignore[no-any-return]
    if not changes:
        return statement.on_conflict_do_nothing(index_elements=list(key))  # type: ignore[no-any-return]
    return statement.on_conflict_do_update(index_elements=list(key), set_=dict(changes))  # type: ignore[no-any-return]


def _merged(
    new: sa.ColumnCollection[str, sa.ColumnElement[Any]],
    table: sa.TableClause,
    name: str,
    version: str | None,
    own: bool,
) -> object:
    if own and name == STORED_AT:
        return new[name]
    ahead = sa.func.coalesce(new[name], table.c[name])
    if version is None:
        return ahead
    newer = sa.or_(table.c[version].is_(None), new[version] >= table.c[version])
    return sa.case((newer, ahead), else_=sa.func.coalesce(table.c[name], new[name]))
