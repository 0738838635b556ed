"""Examines the place of a SQLite store: its file system, how long a commit takes there, and who has it."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from gateway.errors import StoreUnavailable
from gateway.store.doctor.diagnosis import Diagnosis, Finding
from gateway.store.sqlite.foreign_log import has_foreign_log
from gateway.store.sqlite.owner_lock import OwnerLock, holder_of
from gateway.store.sqlite.session import APPLICATION_ID, LIBRARY_VERSION_MIN
from gateway.text.file_trouble import missing_folder
from gateway.text.regular_file import NotRegular, open_regular
from gateway.text.store_address import StoreAddress

NETWORKED: Final = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs", "fuse.s3fs")
VOLATILE: Final = ("tmpfs", "ramfs")
COMMITS: Final = 9  # that are timed
SLOW_COMMIT_SECONDS: Final = 0.05
FREE_BYTES_MIN: Final = 1 << 30
CHECKPOINT_SAFE: Final = (3, 51, 3)  # before it two connections that checkpoint at one instant could damage the file
MOUNTS: Final = Path("/proc/self/mountinfo")
_MAGIC: Final = b"SQLite format 3\0"
_HEADER_BYTES: Final = 100
_APPLICATION_ID: Final = slice(68, 72)
_SIDECARS: Final = ("", "-wal", "-shm", "-journal", ".lock")


def examine(address: StoreAddress) -> Diagnosis:
    """Raises StoreUnavailable where the folder is not there."""
    path = address.path.absolute()
    if (missing := missing_folder(path)) is not None:
        raise StoreUnavailable(
            f"there can be no store at {path}: {missing}; make it, or name another place (store.url)"
        )
    findings = [*_library(), *_file_system(path.parent), *_room(path.parent), *_store(path), *_commits(path)]
    return Diagnosis(address.shown, f"SQLite {sqlite3.sqlite_version}", None, findings)


def _library() -> Iterator[Finding]:
    version, shown = sqlite3.sqlite_version_info, sqlite3.sqlite_version
    if version < LIBRARY_VERSION_MIN:
        yield Finding("library", "missing", shown, "3.37 or newer is needed")
    elif version < CHECKPOINT_SAFE:
        yield Finding(
            "library", "noted", shown, "before 3.51.3 only one connection may checkpoint, and only the gateway's does"
        )
    else:
        yield Finding("library", "ok", shown)


def _file_system(folder: Path) -> Iterator[Finding]:
    kind = file_system_of(folder)
    if kind in NETWORKED:
        yield Finding(
            "file system",
            "missing",
            kind,
            "locks and shared memory do not hold over a network: take a local disk, or PostgreSQL",
        )
    elif kind in VOLATILE:
        yield Finding(
            "file system", "unwise", kind, "it is in memory: what was acknowledged is gone when the machine restarts"
        )
    elif kind == "overlay":
        yield Finding("file system", "unwise", kind, "a container's own layer goes with the container: mount a volume")
    else:
        yield Finding("file system", "ok" if kind else "noted", kind or "not told by this system")


def file_system_of(folder: Path) -> str:
    """What kind of file system a folder lies on; empty: this system does not say."""
    with suppress(OSError):
        device = os.stat(folder).st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        for line in MOUNTS.read_text().splitlines():
            before, _, after = line.partition(" - ")
            if wanted in before.split():
                return after.partition(" ")[0]
    return ""


def _room(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    meaning = "" if free >= FREE_BYTES_MIN else "below store.limits.free_disk callbacks are answered 503"
    yield Finding("free disk", "ok" if not meaning else "unwise", f"{free / (1 << 30):.1f} GiB", meaning)


def _store(path: Path) -> Iterator[Finding]:
    if not path.exists():
        yield Finding("store", "noted", "none is here yet", "`gateway serve` makes it, or `gateway store migrate`")
        return
    others = path.stat().st_mode & 0o077
    meaning = "others may read what events say: chmod 600" if others else ""
    yield Finding("permissions", "unwise" if others else "ok", f"{path.stat().st_mode & 0o777:o}", meaning)
    holder = holder_of(path)
    yield Finding("owner", "ok", f"served by {holder}" if holder else "nobody serves it now")
    yield _identity(path)


def _identity(path: Path) -> Finding:
    """By the file's first bytes, because opening it would make files beside it."""
    try:
        with open_regular(path) as store:
            head = store.read(_HEADER_BYTES)
    except NotRegular as error:
        return Finding("store", "missing", error.kind, "name a file of its own (store.url)")
    if head and not head.startswith(_MAGIC):
        return Finding(
            "store", "missing", "no database", "`gateway store verify` says what is damaged; see docs/runbook.md"
        )
    if head and int.from_bytes(head[_APPLICATION_ID]) != APPLICATION_ID:
        return Finding("store", "missing", "a file of another program", "name a file of its own (store.url)")
    if has_foreign_log(path):
        meaning = f"move {path.name}-wal and -shm away: they belong to the store that was here before"
        return Finding("store", "missing", "a copy, with another store's log beside it", meaning)
    return Finding("store", "ok", "a store of the gateway")


def _commits(path: Path) -> Iterator[Finding]:
    """On a file beside the store, which is taken away again."""
    scratch = path.with_name(f".{path.name}.doctor-{secrets.token_hex(4)}")
    try:
        with closing(sqlite3.connect(scratch, isolation_level=None)) as trial:
            (journal,) = trial.execute("PRAGMA journal_mode=WAL").fetchone()
            trial.execute("PRAGMA synchronous=FULL")
            trial.execute("CREATE TABLE t (n INTEGER)")
            took = statistics.median(_timed(trial) for _ in range(COMMITS))
        first, second = OwnerLock(scratch), OwnerLock(scratch)
        locks = first.try_now() and not second.try_now()
        first.free()
        second.free()
    except (sqlite3.Error, OSError, StoreUnavailable) as error:
        yield Finding("writable", "missing", str(error), f"the gateway must be able to make files in {path.parent}")
        return
    finally:
        for ending in _SIDECARS:
            with suppress(OSError):
                os.unlink(f"{scratch}{ending}")
    if journal != "wal":
        yield Finding("journal", "missing", str(journal), "this file system takes no write-ahead log")
    else:
        yield Finding("journal", "ok", "write-ahead log, synchronous=FULL")
    slow = took > SLOW_COMMIT_SECONDS
    yield Finding(
        "commit",
        "unwise" if slow else "ok",
        f"{took * 1000:.2f} ms, the middle of {COMMITS}",
        "each callback waits for one: a faster disk" if slow else "",
    )
    yield Finding(
        "owner lock",
        "ok" if locks else "missing",
        "keeps a second gateway out" if locks else "two hold it",
        "" if locks else "two gateways would write one file",
    )


def _timed(trial: sqlite3.Connection) -> float:
    began = time.perf_counter()
    trial.execute("INSERT INTO t VALUES (1)")
    return time.perf_counter() - began
