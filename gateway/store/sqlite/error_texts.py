"""What SQLite's and the system's errors are called towards people: what is wrong with which file, whose it is, what to do."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import sqlite3
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.text.file_trouble import missing_folder

_REFUSED: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_SQLITE_BEGINS: Final = b"SQLite format 3\0"
_EXPORT_BEGINS: Final = b'{"recording_gateway_export":'


def explain(error: BaseException) -> str:
    """One line about an error, without stored values."""
    name = str(getattr(error, "sqlite_errorname", type(error).__name__))
    if name.startswith(_DAMAGED):
        return f"a page of the file is damaged ({name}): copy what can be read into a new file with `sqlite3 FILE .recover`, or restore a backup"
    return f"{error} ({name})" if isinstance(error, sqlite3.OperationalError) else name


def cannot_open(path: Path, error: Exception) -> str:
    """Why a store's file cannot be opened: the first of the file and its folders that stands in the way."""
    start = f"the store {path} cannot be opened: "
    if os.path.isdir(path):  # not Path's: it raises where a folder on the way may not be entered
        return f"{start}it is a folder; name a file in it (store.url)"
    if isinstance(error, OSError) and error.errno not in (*_REFUSED, errno.ENOENT, errno.ENOTDIR):
        return start + str(error.strerror)
    name = str(getattr(error, "sqlite_errorname", ""))
    if name.startswith(_DAMAGED):
        return start + (_another_kind(path) or explain(error))
    if (missing := missing_folder(path)) is not None:
        return f"{start}{missing}: make it, or name another place (store.url)"
    for folder in reversed(path.parents):
        if not os.access(folder, os.X_OK):
            return start + _not_allowed(folder, "enter")
    folder = path.parent
    for ending in ("-wal", "-shm", ".lock"):
        beside = path.with_name(path.name + ending)
        if os.path.exists(beside) and not os.access(beside, os.R_OK | os.W_OK):
            return start + _not_allowed(beside, "read and write")
    if not os.path.exists(path):
        return start + ("there is no such file" if os.access(folder, os.W_OK) else _not_allowed(folder, "write in"))
    if not os.access(path, os.R_OK | os.W_OK):
        return start + _not_allowed(path, "read and write")
    if not os.access(folder, os.W_OK):  # because SQLite makes files of its own beside it
        return start + _not_allowed(folder, "write in")
    return start + (str(error.strerror) if isinstance(error, OSError) else explain(error))


def _another_kind(path: Path) -> str | None:
    """What a file is that was never a database, as when a wrong one was restored: nothing can be recovered from it."""
    with suppress(OSError), path.open("rb") as file:
        begins = file.read(len(_EXPORT_BEGINS))
        if begins == _EXPORT_BEGINS:
            return "it is an export: move it away, and `gateway store import FILE` puts it into a new store"
        if begins and not begins.startswith(_SQLITE_BEGINS):
            return (
                "it is no SQLite file, or its first page is damaged: put a file of `gateway store backup` in its place, "
                "unpacked if it was packed; of a damaged one copy what can be read with `sqlite3 FILE .recover`"
            )
    return None


def _not_allowed(path: Path, what: str) -> str:
    status = path.stat()
    me, owner, group = _name(os.geteuid()), _name(status.st_uid), _group(status.st_gid)
    if status.st_uid == os.geteuid():
        way_out = "change the mode (chmod)"
    elif status.st_uid == 0:  # as root restored it, above all
        way_out = f"change the owner (chown {me})"
    else:
        way_out = f"run the gateway as {owner}, or change the owner (chown {me})"
    return f"{me} may not {what} {path}, which belongs to {owner}:{group} with mode {stat.S_IMODE(status.st_mode):04o}: {way_out}"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"group {gid}"
