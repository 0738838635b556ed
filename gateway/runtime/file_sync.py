"""What is written is on the disk: a file, and a folder with the names in it."""

from __future__ import annotations

import os
from pathlib import Path


def sync_path(path: Path) -> None:
    """Have a file, or a folder's names, on the disk: a new name is not there until its folder is. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
