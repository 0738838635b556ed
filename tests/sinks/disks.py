"""Disks that a test has for itself: one that only gives, and one beside the folder's own."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """Another disk in this folder, for a while. Only root may; the test is skipped where nobody can."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", ",".join(("size=2m,mode=0755", *options)), "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """A folder that nobody here may write: a disk that only gives for root, who may write everywhere else."""
    if os.geteuid() == 0:
        with mounted(folder, "ro") as there:
            yield there
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o500)
    yield folder
    folder.chmod(0o700)
