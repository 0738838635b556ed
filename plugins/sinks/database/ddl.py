"""The gateway's own table in the types of each database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from plugins.sinks.database import own_table
from plugins.sinks.database.own_table import ValueKind

# Text is compared byte by byte everywhere, so that MySQL does not take `Live` for `live`.
_BINARY: Final = "utf8mb4_bin"


def _types(dialect: str) -> Mapping[ValueKind, sa.types.TypeEngine[Any]]:
    if dialect == "postgresql":
        time = postgresql.TIMESTAMP(timezone=True)
        return {
            "id": sa.Text(), "index": sa.Integer(), "text": sa.Text(), "whole": sa.Integer(), "big": sa.BigInteger(),
            "number": postgresql.DOUBLE_PRECISION(), "time": time, "json": postgresql.JSONB(),
        }  # fmt: skip
    if dialect == "mysql":
        return {
            "id": mysql.VARCHAR(255, collation=_BINARY), "index": sa.Integer(), "text": mysql.MEDIUMTEXT(collation=_BINARY),
            "whole": sa.Integer(), "big": sa.BigInteger(), "number": mysql.DOUBLE(), "time": mysql.DATETIME(fsp=6),
            "json": mysql.JSON(),
        }  # fmt: skip
    return {  # what a STRICT table of SQLite knows
        "id": sa.Text(), "index": sa.Integer(), "text": sa.Text(), "whole": sa.Integer(), "big": sa.Integer(),
        "number": sa.REAL(), "time": sa.Text(), "json": sa.Text(),
    }  # fmt: skip


def table(name: str, schema: str | None, *, rows: str, key: Sequence[str], dialect: str) -> sa.Table:
    """The table as it is made."""
    types = _types(dialect)
    primary = own_table.primary_key(rows, key)
    columns = [
        sa.Column(
            column, types[spec.kind], primary_key=column in primary, nullable=not spec.needed, autoincrement=False
        )
        for column, spec in own_table.columns(rows).items()
    ]
    if key:
        columns.insert(0, sa.Column(own_table.ROW_KEY, types["id"], primary_key=True))
    return sa.Table(
        name,
        sa.MetaData(),
        *columns,
        schema=schema,
        sqlite_strict=True,
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate=_BINARY,
    )
