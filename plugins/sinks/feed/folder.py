"""The folder that a feed lies in: its state is read, changed and written with its files by one gateway at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from gateway import BlockingWorker, Unavailable
from plugins.sinks import append_file
from plugins.sinks.feed.place import STATE_BYTES_MAX, Make

_PUBLIC: Final = 0o644  # because another program serves them
_OWN: Final = 0o600
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})


class FeedFolder:
    """One feed's part of a folder. What blocks is done in a thread of its own, in order."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._state = f".{name}-state.json"
        self._lock = f".{name}-lock"
        self._worker = BlockingWorker(f"feed {name}")

    async def change(self, make: Make) -> None:
        await self._guarded(lambda: self._change(make))

    async def reach(self) -> str:
        await self._guarded(self._reach)
        return f"{self._path.name} can be written"

    async def close(self) -> None:
        await self._worker.close()

    async def _guarded(self, job: Callable[[], None]) -> None:
        try:
            await self._worker.run(job)
        except OSError as error:
            reason = os.strerror(error.errno).lower() if error.errno else str(error)
            if isinstance(error, FileNotFoundError):
                reason = "the folder is not there: make it"  # where it lies is nobody's business
            raise Unavailable(f"{self._path.name}: {reason}") from None

    def _reach(self) -> None:
        with append_file.folder(self._path) as folder:
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def _change(self, make: Make) -> None:
        """Under the lock. Raises OSError, and what `make` raises."""
        with append_file.folder(self._path) as folder, self._locked(folder):
            written = make(_content(folder, self._state))
            changed = _write_if_changed(folder, self._state, written.state, _OWN)
            for name, data in written.files.items():
                changed |= _write_if_changed(folder, name, data, _PUBLIC)
            if changed:
                os.fsync(folder)  # because a new name is not on the disk until its folder is

    @contextlib.contextmanager
    def _locked(self, folder: int) -> Iterator[None]:
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _OWN, dir_fd=folder)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in _NO_LOCKS:  # a network file system without any is written by one gateway alone
                    raise
            yield
        finally:
            os.close(descriptor)


def _content(folder: int, name: str) -> bytes | None:
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(STATE_BYTES_MAX + 1)
    if len(data) > STATE_BYTES_MAX:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return data


def _write_if_changed(folder: int, name: str, data: bytes, mode: int) -> bool:
    """Whether there was anything to write: the same bytes are left alone, so that readers see no change."""
    with contextlib.suppress(OSError):
        if _content(folder, name) == data:
            return False
    part = f".{name}.part"  # one name, because only one gateway writes at a time: what a crash left is written over
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(part, flags, mode, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)  # whatever the umask
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
    return True
