"""Everything in a store, read in one snapshot and in pieces: what is exported, copied, and compared afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from gateway.store.engine.migrations import VERSION, shape
from gateway.store.engine.numbers import last_number
from gateway.store.engine.session import Session, number_of, value_of
from gateway.store.engine.tables import StoreTable, schema
from gateway.store.transfer.dump_lines import (
    FORMAT,
    LEFT_OUT,
    OWN_NOTES,
    DumpEnd,
    DumpHead,
    RowDigest,
    TableEnd,
    line_of,
)

PIECE_BYTES: Final = 4 * 1024 * 1024  # about so much is read at once
PIECE_ROWS_MIN: Final = 16
PIECE_ROWS_MAX: Final = 1000

TABLES: Final = {name: table for name, table in schema().tables.items() if name not in LEFT_OUT}


class Dump:
    """The rows of a session's snapshot; `trailer` is right once all of them were taken."""

    def __init__(self, session: Session, export: str = "") -> None:
        """`export` names it; empty: a random name. `session` is inside the transaction of the snapshot."""
        self._session = session
        self._ends: dict[str, TableEnd] = {}
        self.head = DumpHead(
            recording_gateway_export=FORMAT,
            schema=VERSION,
            shape=shape(VERSION),
            instance=value_of(session.rows("SELECT value FROM meta WHERE name = 'instance'")) or "",
            export=export or secrets.token_hex(8),
            tables={name: _typed(table) for name, table in TABLES.items()},
            rows={name: number_of(session.rows(f"SELECT count(*) FROM {name}{_these(table)}")) for name, table in TABLES.items()},  # noqa: S608
        )  # fmt: skip

    def rows(self) -> Iterator[tuple[StoreTable, Sequence[object], bytes]]:
        """Table, row and line of everything, tables in the order in which they refer to each other, rows by their keys."""
        for name, table in TABLES.items():
            digest = RowDigest()
            for row in _rows(self._session, table):
                line = line_of(table, row)
                digest.add(line)
                yield table, row, line
            self._ends[name] = digest.table_end(last_number(self._session, table))

    @property
    def trailer(self) -> DumpEnd:
        """What was read."""
        return DumpEnd(end=self._ends)


def end_of(session: Session, progress: Callable[[int], object] = lambda _rows: None) -> Mapping[str, TableEnd]:
    """What a store holds, read through."""
    dump = Dump(session, "-")
    for _ in dump.rows():
        progress(1)
    return dump.trailer.end


def _typed(table: StoreTable) -> Sequence[str]:
    return [f"{column} {kind}" for column, kind in zip(table.columns, table.kinds, strict=True)]


def _these(table: StoreTable) -> str:
    """Of `meta` all but what a store says of its own tables."""
    return f" WHERE name NOT IN ({', '.join(map(repr, OWN_NOTES))})" if table.name == "meta" else ""


def _rows(session: Session, table: StoreTable) -> Iterator[Sequence[object]]:
    """By the key, so that no cursor has to be held and memory stays flat."""
    places = [table.columns.index(column) for column in table.key]
    key, marks = ", ".join(table.key), ", ".join(f":k{chr(97 + n)}" for n in range(len(places)))
    select = f"SELECT {', '.join(table.columns)} FROM {table.name}{{where}} ORDER BY {key} LIMIT :most"  # noqa: S608
    these = _these(table)
    first = select.format(where=these)
    further = select.format(where=f"{these} {'AND' if these else 'WHERE'} ({key}) > ({marks})")
    most = PIECE_ROWS_MIN
    after: dict[str, object] = {}
    while rows := session.rows(further if after else first, {"most": most, **after}):
        yield from rows
        last = rows[-1]
        after = {f"k{chr(97 + n)}": last[place] for n, place in enumerate(places)}
        size = sum(len(value) for row in rows for value in row if isinstance(value, str | bytes)) // len(rows) + 1
        most = max(min(PIECE_BYTES // size, PIECE_ROWS_MAX), PIECE_ROWS_MIN)
