"""Appending to a file that nobody else can have put in our way: no links, no pipes, no folder that everybody may write."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath


@contextlib.contextmanager
def folder(path: Path) -> Iterator[int]:
    """A descriptor of a folder that is ours (or the system's) and not writable by everybody. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if found.st_mode & stat.S_IWOTH:
            raise OSError("its folder is writable by everybody; run `chmod o-w` on it")
        if found.st_uid not in (os.geteuid(), 0):
            raise OSError("its folder belongs to another user")
        yield descriptor
    finally:
        os.close(descriptor)


def append(folder: int, name: str, lines: Sequence[bytes], *, sync: bool) -> None:
    """Write each line with one write(2). Raises OSError; a line that did not fit is taken back."""
    descriptor = _open(folder, name)
    try:
        with contextlib.suppress(OSError):  # a network file system may have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # because half of another writer's line looks like a torn one
        size = os.fstat(descriptor).st_size
        if lines and size and os.pread(descriptor, 1, size - 1) != b"\n":
            os.write(descriptor, b"\n")  # a crash or a full disk cut a line short: keep it to itself
        for line in lines:
            _write(descriptor, line)
        if sync and lines:
            os.fsync(descriptor)
            if not size:
                os.fsync(folder)  # because a new name is not on the disk until its folder is
    finally:
        os.close(descriptor)


def rotate(folder: int, name: str, now: datetime, keep: int) -> None:
    """Rename the file in its folder, and delete the oldest renamed ones past `keep`."""
    stem, suffix = PurePath(name).stem, PurePath(name).suffix
    known = set(os.listdir(folder))
    at = now.astimezone(UTC)
    while (renamed := f"{stem}.{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03d}Z{suffix}") in known:
        at += timedelta(milliseconds=1)
    os.rename(name, renamed, src_dir_fd=folder, dst_dir_fd=folder)
    pattern = re.compile(rf"{re.escape(stem)}\.\d{{8}}T\d{{9}}Z{re.escape(suffix)}", re.ASCII)
    old = sorted(entry for entry in {*known, renamed} if pattern.fullmatch(entry))
    for entry in old[:-keep]:
        os.unlink(entry, dir_fd=folder)


def _open(folder: int, name: str) -> int:
    # O_NONBLOCK, because opening a pipe would wait for its reader.
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError("it is a symbolic link, which is not followed") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is not a regular file")
    return descriptor


def _write(descriptor: int, line: bytes) -> None:
    written = os.write(descriptor, line)
    if written < len(line):  # the disk became full in the middle
        size = os.fstat(descriptor).st_size
        os.ftruncate(descriptor, size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
