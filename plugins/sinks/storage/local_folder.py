"""A folder as a storage: a temporary name, fsync, rename, fsync of the folder, so that what is there is whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from io import BufferedWriter
from pathlib import Path
from typing import Final
from urllib.parse import quote

from gateway import DeliveryFailed, sync_path
from plugins.sinks.storage.disk import Disk
from plugins.sinks.storage.storage import FileBody, Resume, Stored, TellSent, uncounted

SPOOL: Final = ".spool"
"""The folder inside it for what is not whole yet; no key can begin with a dot."""
HASH_BYTES: Final = 2**20  # read at once


class Folder:
    """Files below one folder, each under its key. Made with the folders that its key needs."""

    def __init__(self, root: Path, disk: Disk | None = None) -> None:
        self.root = root
        self._disk = disk or Disk(f"folder {root.name}")

    def url(self, key: str) -> str:
        return f"file://{quote(os.fsencode(self._path(key).absolute()))}"

    async def head(self, key: str, *, hashed: bool = False) -> Stored | None:
        return await self._disk.work(lambda: _head(self._path(key), hashed), self.root)

    async def put(
        self,
        key: str,
        body: FileBody,
        *,
        size: int | None = None,
        media_type: str | None = None,
        sha256: str | None = None,
        sent: TellSent = uncounted,
        resume: Resume | None = None,
    ) -> None:
        """A path is moved to its place; it should lie below `SPOOL`, because that is one rename."""
        if isinstance(body, Path):
            await self._disk.work(lambda: self._move(body, key), self.root)
            return
        beside = self.root / SPOOL / f"{secrets.token_hex(8)}.part"
        try:
            if isinstance(body, bytes):
                await self._disk.work(lambda: _write(beside, body), self.root)
            else:
                await self._write_pieces(beside, body, sent)
            await self._disk.work(lambda: self._move(beside, key), self.root)
        except BaseException:
            await self._undo(lambda: beside.unlink(missing_ok=True))
            raise

    async def reach(self) -> str:
        def there() -> str:
            # not made, because a disk that is not mounted would be taken for an empty one
            if not self.root.is_dir():
                raise FileNotFoundError(errno.ENOENT, "the folder is not there; make it")
            if not os.access(self.root, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return f"{self.root} can be written"

        return await self._disk.work(there, self.root)

    def missing(self) -> Sequence[str]:
        return ()

    async def close(self) -> None:
        await self._disk.close()

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        assert all(part not in ("", ".", "..") and "\0" not in part for part in parts)  # keys are made by us
        return self.root.joinpath(*parts)

    async def _write_pieces(self, path: Path, pieces: AsyncIterator[bytes], sent: TellSent) -> None:
        file = await self._disk.work(lambda: _fresh(path), self.root)
        try:
            async for piece in pieces:
                await self._disk.work(lambda piece=piece: file.write(piece), self.root)  # type: ignore[misc]
                sent(len(piece))
            await self._disk.work(lambda: _flush(file), self.root)
        finally:
            await self._undo(file.close)

    async def _undo(self, job: Callable[[], None]) -> None:
        """Try to: what went wrong before is what the caller has to know."""
        with contextlib.suppress(DeliveryFailed):
            await self._disk.work(job, self.root)

    def _move(self, source: Path, key: str) -> None:
        """Durable when it returns: the bytes first, then the name, then the folders that hold it."""
        target = self._path(key)
        changed = _folders(target.parent)
        sync_path(source)
        try:
            source.replace(target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            beside = target.with_name(f".{secrets.token_hex(8)}.part")  # another disk is mounted below the folder
            try:
                shutil.copyfile(source, beside)
                sync_path(beside)
                beside.replace(target)
            except OSError:
                beside.unlink(missing_ok=True)
                raise
            source.unlink()
        for folder in changed:
            sync_path(folder)


def hash_of(path: Path, into: hashlib._Hash | None = None) -> str:
    """The SHA-256 of a file, lower hex; `into` is a hash that goes on from what it holds."""
    digest = into or hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(HASH_BYTES):
            digest.update(piece)
    return digest.hexdigest()


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


def _fresh(path: Path) -> BufferedWriter:
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path, "xb")  # closed by whoever asked


def _flush(file: BufferedWriter) -> None:
    file.flush()
    os.fsync(file.fileno())


def _folders(folder: Path) -> Sequence[Path]:
    """Make what is missing on the way to a folder; what has to be flushed so that it stays, the innermost first."""
    changed = [folder]
    while not folder.is_dir():
        folder = folder.parent
        changed.append(folder)
    changed[0].mkdir(parents=True, exist_ok=True)
    return changed
