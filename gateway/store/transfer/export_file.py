"""An export as lines: written so that a half one is seen to be one, and read with every line checked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Final

import msgspec

from gateway.compact_json import encode_struct
from gateway.errors import StoreError
from gateway.store.transfer.dump import TABLES, Dump
from gateway.store.transfer.dump_lines import (
    DumpEnd,
    DumpHead,
    RowDigest,
    TableEnd,
    read_end,
    read_head,
    row_of_line,
)
from gateway.store.transfer.fill import FilledRow

LINE_BYTES_MAX: Final = 256 * 1024 * 1024  # of one row: far above the largest body
_SQLITE_BEGINS: Final = b"SQLite format 3\0"
_PACKED_BEGIN: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ")  # gzip, zstd, xz
_END_BEGINS: Final = b'{"end":'


def write_lines(dump: Dump, into: Callable[[bytes], object], progress: Callable[[int], object]) -> DumpEnd:
    """Head, rows, end."""
    sha256 = hashlib.sha256()

    def write_out(line: bytes) -> None:
        sha256.update(line)
        into(line)

    write_out(encode_struct(dump.head) + b"\n")
    for _, _, line in dump.rows():
        write_out(line + b"\n")
        progress(1)
    end = msgspec.structs.replace(dump.trailer, sha256=sha256.hexdigest())
    into(encode_struct(end) + b"\n")
    return end


def _no_head(line: bytes) -> str:
    """What a file is that no export made."""
    if line.startswith(_SQLITE_BEGINS):
        return (
            "it is a SQLite file: as a backup of a gateway's store put it in place of the file that store.url names, "
            "or let a configuration name it and run `gateway store copy --to URL`"
        )
    if line.startswith(_PACKED_BEGIN):
        return "it is packed: unpack it, or pipe it through the unpacking program into `gateway store import -`"
    return "it is not the head of an export of this gateway"


class ExportLines:
    """The lines of an export's file; every mistake names the line. Reading begins with `head`."""

    def __init__(self, file: BinaryIO, shown: str) -> None:
        self._file = file
        self._shown = shown
        self._number = 0
        self._sha256 = hashlib.sha256()
        self._end: DumpEnd | None = None
        line = self._next()
        try:
            self.head: DumpHead = read_head(line)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            raise self._wrong(_no_head(line)) from None
        self._refuse_columns()

    def rows(self) -> Iterator[FilledRow]:
        """Its rows. Raises StoreError where it is cut off, changed, or of another program."""
        digests = {name: RowDigest() for name in TABLES}
        while not (line := self._next()).startswith(_END_BEGINS):
            try:
                table, row = row_of_line(line, TABLES)
            except (msgspec.MsgspecError, RecursionError, TypeError, ValueError) as error:
                raise self._wrong(f"it cannot be read: {error}") from None
            digests[table.name].add(line)
            yield table, row, line
        self._check_end(line, digests)

    def trailer(self) -> DumpEnd:
        """What the file says of itself, after its last row."""
        if self._end is None:
            raise self._wrong("its end was not reached")
        return self._end

    def _next(self) -> bytes:
        before = self._sha256.copy()
        line = self._file.readline(LINE_BYTES_MAX)
        self._number += 1
        if not line.endswith(b"\n"):
            raise self._wrong(
                "the file ends here, before its last line: it was cut off, or its export did not come to its end"
            )
        self._sha256.update(line)
        if line.startswith(_END_BEGINS):
            self._sha256 = before
        return line[:-1]

    def _check_end(self, line: bytes, digests: dict[str, RowDigest]) -> None:
        try:
            end: DumpEnd = read_end(line)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            raise self._wrong("it is not the end of an export") from None
        if end.sha256 != self._sha256.hexdigest() or not _are(digests, end):
            raise self._wrong("the lines before it are not those that were written: the file was changed or damaged")
        self._end = end

    def _refuse_columns(self) -> None:
        ours = {name: [f"{column} {kind}" for column, kind in zip(table.columns, table.kinds, strict=True)] for name, table in TABLES.items()}  # fmt: skip
        theirs: dict[str, Sequence[str]] = {name: list(columns) for name, columns in self.head.tables.items()}
        if theirs != ours:
            names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
            raise self._wrong(
                f"its tables are not this program's ({', '.join(names)}): import it with the program that wrote it"
            )

    def _wrong(self, why: str) -> StoreError:
        return StoreError(f"{self._shown}, line {self._number}: {why}")


def _are(digests: dict[str, RowDigest], end: DumpEnd) -> bool:
    names = digests.keys() == end.end.keys()
    return names and all(_same(digest.table_end(0), end.end[name]) for name, digest in digests.items())


def _same(one: TableEnd, other: TableEnd) -> bool:
    return (one.rows, one.digest) == (other.rows, other.digest)
