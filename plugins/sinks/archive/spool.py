"""Where a file lies until it is whole: one file a download, locked, flushed when it is to be remembered."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from plugins.sinks.storage.disk import Disk, InUse
from plugins.sinks.storage.local_folder import hash_of

KEPT_SECONDS: Final = 7 * 86_400  # of a file that nobody went on with: a little more than deliveries live
TIDY_SECONDS: Final = 3600.0
WRITE_BYTES: Final = 2**20  # written at once
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")

T = TypeVar("T")


def boot_id() -> str:
    """What changes when the system begins anew: until then everything written is there, flushed or not. Empty: not known."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


class Spool:
    """A folder of unfinished files with a limit on all their bytes. None: no limit."""

    def __init__(self, folder: Path, limit: int | None, disk: Disk) -> None:
        self.folder = folder
        self._disk = disk
        self._limit = limit
        self._promised: dict[str, int] = {}
        self._tidy_at = 0.0

    async def tidy(self) -> None:
        """Make the folder, and once an hour delete what nobody went on with. Raises Unavailable."""
        if (now := time.monotonic()) >= self._tidy_at:
            await self.on_disk(self._tidy)
            self._tidy_at = now + TIDY_SECONDS

    async def on_disk(self, job: Callable[[], T]) -> T:
        """What the job returns, off the loop. Raises Retry or Unavailable for what the disk does."""
        return await self._disk.work(job, self.folder)

    def file(self, name: str) -> SpoolFile:
        """The file of this name, which is opened before it is used."""
        return SpoolFile(self, self.folder / name)

    async def promise(self, name: str, size: int) -> bool:
        """Whether a file of this size fits beside all others; until `forget` its room is kept."""
        if self._limit is None:
            return True
        lying = await self.on_disk(self._lying)
        others = {**lying, **self._promised}
        others.pop(name, None)
        if sum(others.values()) + size > self._limit:
            return False
        self._promised[name] = size
        return True

    def forget(self, name: str) -> None:
        self._promised.pop(name, None)

    def _tidy(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        whose = self.folder.stat()
        if whose.st_mode & stat.S_IWOTH or whose.st_uid not in (os.geteuid(), 0):
            raise PermissionError(
                errno.EPERM, "everybody may write it, or it is another user's; it has to be the gateway's own"
            )
        old = time.time() - KEPT_SECONDS
        for path, status in self._entries():
            if stat.S_ISREG(status.st_mode) and status.st_mtime < old:
                path.unlink(missing_ok=True)

    def _lying(self) -> dict[str, int]:
        return {path.name: status.st_size for path, status in self._entries()}

    def _entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        """All that lies there. What was finished while we look is not there any more."""
        for entry in os.scandir(self.folder):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield Path(entry.path), status


class SpoolFile:
    """One file that grows: bytes are gathered to a MiB, hashed and written off the loop."""

    def __init__(self, spool: Spool, path: Path) -> None:
        self.path = path
        self.offset = 0  # bytes taken, written or not
        self._spool = spool
        self._file: Any = None
        self._closed = False
        self._hash = hashlib.sha256()
        self._gathered = bytearray()

    async def open(self, offset: int) -> None:
        """Lock it and go on after `offset` bytes, or after fewer where there are fewer. Raises Retry, Unavailable."""
        self.offset = await self._spool.on_disk(lambda: self._open(offset))

    async def write(self, piece: bytes) -> None:
        """Add bytes; on the disk when `flush` says so."""
        self.offset += len(piece)
        self._gathered += piece
        if len(self._gathered) >= WRITE_BYTES:
            await self._write_out()

    async def flush(self) -> int:
        """How many bytes are durable now."""
        await self._write_out()
        await self._spool.on_disk(lambda: os.fdatasync(self._file.fileno()))
        return self.offset

    async def finish(self) -> None:
        """All of it is there: write out the rest. What an earlier writer left behind the end is cut off."""
        await self._write_out()
        await self._spool.on_disk(lambda: self._cut(self.offset))

    async def hash(self) -> str:
        """SHA-256 of all bytes, lower hex."""
        await self._write_out()
        return self._hash.hexdigest()

    async def restart(self) -> None:
        """Begin anew: nothing of what is there is of use."""
        self._gathered.clear()
        self._hash = hashlib.sha256()
        self.offset = 0
        await self._spool.on_disk(lambda: self._cut(0))

    async def remove(self) -> None:
        """Close it, and delete it where it still is."""
        self.close()
        await self._spool.on_disk(lambda: self.path.unlink(missing_ok=True))

    def close(self) -> None:
        self._closed = True
        self._spool.forget(self.path.name)
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _write_out(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, bytearray()
            await self._spool.on_disk(lambda: self._write_gathered(gathered))

    def _write_gathered(self, gathered: bytearray) -> None:
        self._hash.update(gathered)
        view = memoryview(gathered)
        while view:
            view = view[self._file.write(view) :]

    def _open(self, offset: int) -> int:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        self._file = os.fdopen(descriptor, "r+b", buffering=0)
        if self._closed:  # whoever asked was cancelled meanwhile
            self.close()
            raise OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise InUse(errno.EAGAIN, "another delivery writes it") from None
        except OSError:
            pass  # a network file system may have no locks
        lying = os.fstat(descriptor).st_size
        start = min(offset, lying)
        self._cut(start)
        if start:
            hash_of(self.path, self._hash)
        return start

    def _cut(self, size: int) -> None:
        self._file.truncate(size)
        self._file.seek(size)
