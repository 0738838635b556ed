"""A folder as a storage: a temporary name, fsync, rename, fsync of the folder, so that what is there is whole."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from gateway import Retry, Unavailable
from plugins.sinks.storage.storage import Body, Sent, Stored

SPOOL: Final = ".spool"
"""The folder inside it for what is not whole yet; no key can begin with a dot."""
HASH_BYTES: Final = 2**20  # read at once
_WHOLE_DISK_ERRNOS: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE}
)

T = TypeVar("T")


class Folder:
    """Files below one folder, each under its key. Made with the folders that its key needs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def url(self, key: str) -> str:
        return f"file://{quote(str(self._path(key).absolute()))}"

    async def head(self, key: str, *, hashed: bool = False) -> Stored | None:
        return await self._off_the_loop(lambda: _head(self._path(key), hashed))

    async def put(
        self,
        key: str,
        body: Body,
        *,
        size: int | None = None,
        media_type: str | None = None,
        sha256: str | None = None,
        sent: Sent | None = None,
    ) -> None:
        """A path is moved to its place; it should lie below `SPOOL`, because that is one rename."""
        if isinstance(body, Path):
            await self._off_the_loop(lambda: self._move(body, key))
            return
        beside = self.root / SPOOL / f"{secrets.token_hex(8)}.part"
        try:
            if isinstance(body, bytes):
                await self._off_the_loop(lambda: _write(beside, body))
            else:
                await self._write_pieces(beside, body, sent)
            await self._off_the_loop(lambda: self._move(beside, key))
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    async def reach(self) -> str:
        def there() -> str:
            # not made, because a disk that is not mounted would be taken for an empty one
            if not self.root.is_dir():
                raise FileNotFoundError(errno.ENOENT, "the folder is not there; make it")
            if not os.access(self.root, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return f"{self.root} can be written"

        return await self._off_the_loop(there)

    def missing(self) -> Sequence[str]:
        return ()

    async def close(self) -> None:
        return

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        assert all(part not in ("", ".", "..") and "\0" not in part for part in parts)  # keys are made by us
        return self.root.joinpath(*parts)

    async def _write_pieces(self, path: Path, pieces: AsyncIterator[bytes], sent: Sent | None) -> None:
        file = await self._off_the_loop(lambda: _fresh(path))
        try:
            async for piece in pieces:
                await self._off_the_loop(lambda piece=piece: file.write(piece))  # type: ignore[misc]
                if sent is not None:
                    sent(len(piece))
            await self._off_the_loop(lambda: _flush(file))
        finally:
            file.close()

    def _move(self, source: Path, key: str) -> None:
        """Durable when it returns: the bytes first, then the name, then the folders that hold it."""
        target = self._path(key)
        changed = _folders(self.root, target.parent)
        _sync(source)
        try:
            source.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            beside = target.with_name(f".{secrets.token_hex(8)}.part")  # another disk is mounted below the folder
            shutil.copyfile(source, beside)
            _sync(beside)
            beside.replace(target)
            source.unlink()
        for folder in changed:
            _sync(folder)

    async def _off_the_loop(self, job: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(job)
        except OSError as error:
            raise failure(error, str(self.root)) from None


def failure(error: OSError, place: str) -> Retry | Unavailable:
    """What trouble with a disk means: of the whole folder where it is full, gone or closed to us."""
    text = f"{place}: {(error.strerror or type(error).__name__).lower()}"
    whole = error.errno in _WHOLE_DISK_ERRNOS or error.errno in (errno.ENOENT, errno.ENOTDIR)
    return Unavailable(text) if whole else Retry(text)


def hash_of(path: Path, into: Any = None) -> str:
    """The SHA-256 of a file, lower hex; `into` is a hash that goes on from what it holds."""
    digest = into or hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(HASH_BYTES):
            digest.update(piece)
    text: str = digest.hexdigest()
    return text


def _head(path: Path, hashed: bool) -> Stored | None:
    try:
        size = path.stat().st_size
        return Stored(size, hash_of(path) if hashed else None)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write(path: Path, body: bytes) -> None:
    with _fresh(path) as file:
        file.write(body)
        _flush(file)


def _fresh(path: Path) -> Any:
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path, "xb")  # closed by whoever asked


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _folders(root: Path, folder: Path) -> Sequence[Path]:
    """Make what is missing on the way to a folder; what has to be flushed so that it stays, the innermost first."""
    changed = [folder]
    while not folder.is_dir():
        folder = folder.parent
        changed.append(folder)
        if folder == root.parent:
            break
    changed[0].mkdir(parents=True, exist_ok=True)
    return changed


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
