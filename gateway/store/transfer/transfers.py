"""What is done with a whole store: export, import, copy, backup."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from gateway.errors import StoreError
from gateway.runtime.file_sync import sync_path
from gateway.store.engine.session import Session
from gateway.store.sqlite.session import SqliteSession
from gateway.store.transfer.dump import Dump
from gateway.store.transfer.export_file import ExportLines, write_lines
from gateway.store.transfer.fill import fill, refuse_other
from gateway.store.transfer.two_ends import snapshot, to_fill
from gateway.text.store_address import StoreAddress

BACKUP_PAGES: Final = 2048  # pages of a step, between which progress is told
BeginPart = Callable[[int], Callable[[int], object]]
"""Told how many steps there are, gives what hears of each."""


def export_to(address: StoreAddress, into: Callable[[bytes], object], begin: BeginPart) -> int:
    """Write a store as lines, as it is at this moment, beside a gateway that may run; how many rows. Raises StoreError."""
    with snapshot(address) as session:
        dump = Dump(session)
        end = write_lines(dump, into, begin(sum(dump.head.rows.values())))
    return sum(table.rows for table in end.end.values())


def import_from(address: StoreAddress, file: BinaryIO, shown: str, begin: BeginPart) -> tuple[int, int]:
    """Fill an empty store with an export, or go on with it: (rows that were there already, rows in all). Raises StoreError.

    A file that can be read twice is looked through first, so that nothing of a damaged one is put in.
    """
    if file.seekable():
        lines = ExportLines(file, shown)
        refuse_other(lines.head, address.shown)
        for _ in lines.rows():
            pass
        file.seek(0)
    lines = ExportLines(file, shown)
    rows = sum(lines.head.rows.values())
    with to_fill(address) as session:
        before = fill(
            session,
            lines.head,
            lines.rows(),
            lines.trailer,
            shown=address.shown,
            act="store import",
            progress=begin(rows),
        )
    return before, rows


def copy(source: StoreAddress, target: StoreAddress, begin: BeginPart) -> tuple[int, int]:
    """Copy a store that nobody serves into an empty one, or go on with it: (rows that were there already, rows in all)."""
    if _same(source, target):
        raise StoreError(f"{source.shown} is to be copied onto itself: name another place")
    with snapshot(source, stopped=True) as session, to_fill(target) as filled:
        named = Dump(session, "-").head
        dump = Dump(session, f"copy of {named.instance}")
        rows = sum(dump.head.rows.values())
        before = fill(
            filled,
            dump.head,
            dump.rows(),
            lambda: dump.trailer,
            shown=target.shown,
            act="store copy",
            progress=begin(rows),
        )
    return before, rows


def _same(source: StoreAddress, target: StoreAddress) -> bool:
    if source.backend == target.backend == "sqlite":
        return source.path.resolve() == target.path.resolve()
    return source == target


def backup(address: StoreAddress, path: Path, begin: BeginPart) -> str:
    """A backup of this moment, beside a gateway that may run: of SQLite the same file again, of PostgreSQL an export.

    It stands under its name only when it is whole and on the disk; says what to do to restore it. Raises StoreError.
    """
    with new_file(path) as part:
        if address.backend == "sqlite":
            with snapshot(address) as session:
                _copy_pages(session, part, begin)
            return (
                f"to restore, stop the gateway, delete {address.path.name}-wal and -shm (the old file's, which would "
                f"damage it), put it in place of {address.path}"
            )
        with part.open("wb") as file:
            export_to(address, file.write, begin)
        return "to restore, make an empty database, name it in store.url, and `gateway store import` this file"


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A file beside `path`, its owner's alone, that gets its name at the end of the block, when it is on the disk."""
    part = path.with_name(path.name + ".part")
    if path.exists():
        raise StoreError(f"{path} is there already: name a new file, because nothing is overwritten")
    handle = -1
    try:
        handle = _begun(part)
        yield part
        sync_path(part)
        part.rename(path)
        sync_path(path.absolute().parent)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        if handle >= 0:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            os.close(handle)


def _begun(part: Path) -> int:
    """A handle of the new file; while it is open nobody else begins this one. Raises StoreError where somebody has."""
    with suppress(OSError):  # none is there, or its file system has no such locks
        _refuse_begun(part)
    with suppress(FileNotFoundError):
        part.unlink()  # of one that was killed
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def _refuse_begun(part: Path) -> None:
    handle = os.open(part, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreError(
            f"{part} is being written by another command: wait for its end, or name another file"
        ) from None
    finally:
        os.close(handle)


def _copy_pages(session: Session, part: Path, begin: BeginPart) -> None:
    """With SQLite's own means, which see one moment of a store that is written to."""
    assert isinstance(session, SqliteSession)
    ((pages,),) = session.rows("PRAGMA page_count")
    progress = begin(int(pages))
    left = int(pages)

    def told(_status: int, remaining: int, _total: int) -> None:
        nonlocal left
        progress(left - remaining)
        left = remaining

    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copied:
            session.connection.backup(copied, pages=BACKUP_PAGES, progress=told, sleep=0)
            copied.execute("PRAGMA journal_mode=DELETE").fetchall()  # one file, without a log beside it
            ((wrong,),) = copied.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.Error as error:
        raise StoreError(f"{part} cannot be written: {error}") from None
    if wrong != "ok":
        raise StoreError(f"the backup cannot be read again, so it is not kept: {wrong}")
