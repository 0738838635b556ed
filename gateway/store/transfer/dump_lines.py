"""What a store is taken elsewhere as: a head, the rows of its tables, and an end that says how many and which they were.

The same lines stand in an export's file (docs/operations.md, "The export's format").
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from gateway.compact_json import encode_struct
from gateway.store.engine.tables import StoreTable

FORMAT: Final = 1
_DIGEST_MODULUS: Final = 1 << 128
LEFT_OUT: Final = frozenset({"gateways"})  # tables: who lives on the database now is nobody elsewhere
OWN_NOTES: Final = ("schema", "shape", "transfer", "reduced")  # of `meta`: what a store says of its own tables


class DumpHead(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `export` names this one export, `rows` how many a table had when it began."""

    recording_gateway_export: int
    schema: int
    shape: str
    instance: str
    export: str
    tables: Mapping[str, Sequence[str]]
    rows: Mapping[str, int]


class TableEnd(msgspec.Struct, frozen=True, kw_only=True):
    """What a table held: `last` is the last number that was given in it, 0 where it gives none."""

    rows: int
    digest: str
    last: int = 0


class DumpEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The last line. `sha256`: of all lines before it; empty where there was no file."""

    end: Mapping[str, TableEnd]
    sha256: str = ""


class RowDigest:
    """Of the rows of a table in any order, because text is sorted by other rules in another database."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, line: bytes) -> None:
        """One more row, as its line."""
        self.rows += 1
        self._sum = (self._sum + int.from_bytes(hashlib.sha256(line).digest()[:16])) % _DIGEST_MODULUS

    def table_end(self, last: int) -> TableEnd:
        return TableEnd(rows=self.rows, digest=f"{self._sum:032x}", last=last)


_row: Final = msgspec.json.Decoder(list[str | int | float | None]).decode
read_head: Final = msgspec.json.Decoder(DumpHead).decode
read_end: Final = msgspec.json.Decoder(DumpEnd).decode


def line_of(table: StoreTable, row: Sequence[object]) -> bytes:
    """A row as its line: `["events",1,"…",null,…]`, in the order of the head's columns, blobs in base64."""
    return encode_struct([table.name, *row])


def row_of_line(line: bytes, tables: Mapping[str, StoreTable]) -> tuple[StoreTable, list[object]]:
    """The opposite. Raises ValueError, which says what is wrong with the line."""
    name, *values = _row(line)
    if (table := tables.get(str(name))) is None or len(values) != len(table.columns):
        raise ValueError(f"it is no row of a table of this program: {str(name)[:40]!r}")
    row: list[object] = []
    for kind, value in zip(table.kinds, values, strict=True):
        row.append(base64.b64decode(str(value), validate=True) if kind == "blob" and value is not None else value)
    return table, row
