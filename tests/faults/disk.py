"""Small file systems of a scenario's own: one in memory that fills up, and one in an image that loses what was not flushed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

IMAGE_BYTES = 96 * 2**20
FLUSHES_BY_ITSELF_S = 300  # so that what nobody flushed is lost


def _run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=PATIENCE_S)


def _mounted(folder: Path, *words: object) -> None:
    folder.mkdir(exist_ok=True)
    try:
        _run("mount", *words, folder)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"a file system of one's own cannot be mounted here (it needs root): {error}")


def _gone(folder: Path) -> None:
    with suppress(subprocess.SubprocessError):
        _run("umount", folder)
        return
    _run("umount", "-l", folder)


@contextmanager
def small(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A file system in memory."""
    _mounted(folder, "-t", "tmpfs", "-o", f"size={size_bytes}", "none")
    try:
        yield folder
    finally:
        _gone(folder)


def fill(folder: Path) -> Path:
    """Take every free byte; the file that has them."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        for piece in (65536, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(piece))
    return ballast


@contextmanager
def unchangeable(*files: Path) -> Iterator[None]:
    """Nobody may write these, not even who has them open, nor root; afterwards they may be written as before."""
    try:
        _run("chattr", "+i", *files)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"a file cannot be made unchangeable here (it needs root and ext4): {error}")
    try:
        yield
    finally:
        _run("chattr", "-i", *files)


class Disk:
    """A file system in an image whose power can be cut: what was not flushed by then is not there afterwards."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "disk"
        self._image = folder / "disk.img"
        if shutil.which("mkfs.ext4") is None:
            pytest.skip("mkfs.ext4 is not installed (Debian: apt-get install e2fsprogs)")
        with self._image.open("wb") as file:
            file.truncate(IMAGE_BYTES)
        _run("mkfs.ext4", "-q", "-m", "0", self._image)
        self._mount()

    def _mount(self) -> None:
        _mounted(self.place, "-o", f"loop,commit={FLUSHES_BY_ITSELF_S}", self._image)

    def flush(self) -> None:
        """What was written so far is safe."""
        _run("sync", "-f", self.place)

    def go_read_only(self) -> None:
        """What the system does with a disk that fails beneath it: nothing is written any more, also into files that are open."""
        _run("mount", "-o", "remount,abort", self.place)

    def come_back(self) -> None:
        """As after a check: what had it open has ended."""
        _gone(self.place)
        self._mount()

    def image(self) -> Path:
        """What is on the disk now, without what the system still has in memory. Nothing should write meanwhile."""
        copy = self._image.with_name("after.img")
        _run("cp", "--sparse=always", self._image, copy)
        return copy

    def go_on_with(self, image: Path) -> None:
        """Everything that used the disk has ended: it goes on from this image."""
        _gone(self.place)
        image.replace(self._image)
        self._mount()

    def close(self) -> None:
        _gone(self.place)
