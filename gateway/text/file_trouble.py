"""What is wrong with a file's path, for people: the first of its folders that is not there, else the system's words."""

from __future__ import annotations

import errno
from pathlib import Path


def missing_folder(path: Path) -> str | None:
    """`the folder X is not there`, or `is not a folder`: the first that stands in the way; None: all are there."""
    for folder in reversed(path.absolute().parents):
        try:
            if not folder.is_dir():
                return f"the folder {folder} {'is not a folder' if folder.exists() else 'is not there'}"
        except OSError:  # it cannot be looked into: the system's own words say more
            return None
    return None


def file_trouble(path: Path, error: OSError) -> str:
    """Why `path` could not be opened, without its own name: `the folder X is not there`, `Permission denied`."""
    folder = missing_folder(path) if error.errno in (errno.ENOENT, errno.ENOTDIR) else None
    return folder or error.strerror or str(error)
