"""A write-ahead log that lies beside a copy it does not belong to: SQLite would write it into that copy, without a word.

What `gateway store backup` and `VACUUM INTO` write says in its header that it keeps no such log. SQLite changes that in the file
itself, by a rollback journal and flushed, before it makes the first log; and takes the log away before it changes it back. So
whatever was committed into a log, the file beside it says that it has one: a log beside a file that says otherwise is another's,
or was moved into the file whole.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

from gateway.errors import StoreUnavailable
from gateway.text.regular_file import open_regular

_Inode = tuple[int, int]  # device, inode
_FILE_BEGINS: Final = b"SQLite format 3\0"
_LOG_BEGINS: Final = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_LOG_HEADER_BYTES: Final = 32  # a log of no more holds nothing
_WITHOUT_LOG: Final = b"\x01\x01"  # the write and the read version of the file's format; 2 each: with a log
_VERSIONS: Final = slice(18, 20)

_open_lock = Lock()
_open: Counter[_Inode] = Counter()  # connections of this process


@contextmanager
def looked_at(path: Path) -> Iterator[_Inode]:
    """Around the opening of a store: refuses a log of another's, and keeps the store noted as open until `left`.

    The file is read only while no connection of this process has it open, because closing any handle of a file drops all locks
    that a process has on it, SQLite's too. Raises StoreUnavailable, OSError.
    """
    with _open_lock:
        found = os.stat(path)
        identity = found.st_dev, found.st_ino
        if not _open[identity]:
            refuse_foreign_log(path)
        _open[identity] += 1
        try:
            yield identity
        except BaseException:
            _leave(identity)
            raise


def left(identity: _Inode) -> None:
    """A connection was closed."""
    with _open_lock:
        _leave(identity)


def _leave(identity: _Inode) -> None:
    _open[identity] -= 1
    if _open[identity] <= 0:
        del _open[identity]


def refuse_foreign_log(path: Path) -> None:
    """Raises StoreUnavailable."""
    if has_foreign_log(path):
        log = os.path.realpath(path) + "-wal"
        raise StoreUnavailable(
            f"the store {path} is a copy that was never served, and {log} beside it is the log of the store that was here "
            f"before, which would damage the copy: move {log} and {log[:-4]}-shm away, then start again"
        )


def has_foreign_log(path: Path) -> bool:
    """Whether SQLite would write another store's log into this file. No: also where that cannot be read."""
    store = Path(os.path.realpath(path))  # beside which SQLite's own files are
    log = Path(f"{store}-wal")
    try:
        # The log first, and once more at the end: somebody else may be making it, or taking it away, right now
        if not (before := _log_identity(log)) or _is_filled(Path(f"{store}-journal")):
            return False  # what an interrupted change of the header says is SQLite's to tell
        with open_regular(store) as file:
            head = file.read(_VERSIONS.stop)
        return head.startswith(_FILE_BEGINS) and head[_VERSIONS] == _WITHOUT_LOG and _log_identity(log) == before
    except OSError:
        return False


def _log_identity(log: Path) -> _Inode | None:
    """None: it holds nothing that SQLite would take."""
    with open_regular(log) as file:
        found = os.fstat(file.fileno())
        if found.st_size <= _LOG_HEADER_BYTES or not file.read(4).startswith(_LOG_BEGINS):
            return None
    return found.st_dev, found.st_ino


def _is_filled(path: Path) -> bool:
    try:
        return os.stat(path).st_size > 0
    except FileNotFoundError:
        return False
