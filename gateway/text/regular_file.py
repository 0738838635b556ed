"""Opens the files that people name: regular ones alone, so that nobody waits for a pipe, or reads a device without end."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Final

_KINDS: Final = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


_LIBPQ_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile", "servicefile")


class NotRegular(OSError):
    """What is there is no regular file. `kind` is what it is, such as `a named pipe`; `named` is what names it, for the text."""

    def __init__(self, kind: str, named: str = "it") -> None:
        super().__init__(errno.EINVAL, f"{named} is no regular file, but {kind}")
        self.kind = kind


def require_regular(path: str | Path, named: str = "it") -> None:
    """Look before somebody else opens it, a library above all. Raises OSError: NotRegular, or that there is none."""
    _check(os.stat(path), named)


def open_regular(path: str | Path) -> BufferedReader:
    """The file, open to be read. Raises OSError: NotRegular, or what the system says. Never waits, whatever it becomes meanwhile."""
    require_regular(path)  # before it is opened, because that wakes who writes into a pipe, and some devices
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        _check(os.fstat(descriptor))
    except BaseException:
        os.close(descriptor)
        raise
    return open(descriptor, "rb")


HOW_TO_CLOSE: Final = "run `chmod 600` on it, or 640 where another user owns it and the gateway reads it by its group"


def exposed_to_others(file: BufferedReader) -> bool:
    """Whether others than need it may read an open file. Whom it does not belong to reads it by its group, so that is meant:
    root's file of mode 0640, or a Secret of Kubernetes under `fsGroup`."""
    status = os.fstat(file.fileno())
    return bool(status.st_mode & (0o044 if status.st_uid == os.geteuid() else 0o004))


def require_libpq_files(parameters: Mapping[str, str]) -> None:
    """The same of the files that a PostgreSQL URL names: libpq opens them anew for each connection, in the thread that wants it.
    One that is not there is left to libpq. Raises NotRegular, which names the parameter."""
    for name in _LIBPQ_FILES:
        try:
            if path := parameters.get(name):
                require_regular(path, name)
        except NotRegular:
            raise
        except (OSError, ValueError):
            continue


def _check(status: os.stat_result, named: str = "it") -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotRegular(next((kind for is_one, kind in _KINDS if is_one(status.st_mode)), "something else"), named)
