"""When the store is full: too many open deliveries, or too little disk (`store.limits`)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from gateway.errors import StoreFull
from gateway.store.outbox.retention import Keep

_DISK_EVERY: Final = 1.0  # seconds between two looks at the disk
COUNT_EVERY: Final = 5.0  # seconds between two counts, at least
COUNT_SHARE: Final = 50  # a count that takes 1 s is made again after 50


class Limits:
    """Checked by the loop before an accept is queued; settles and retention never are."""

    def __init__(self, keep: Keep, folder: Path | None) -> None:
        """`folder` is the SQLite file's; None: the disk is another machine's."""
        self._keep = keep
        self._folder = folder
        self._open = 0
        self._free: int | None = None
        self._looked_at = -_DISK_EVERY
        self.count_at = 0.0  # monotonic: when the next count is due

    def add(self, deliveries: int) -> None:
        """So many were opened, or ended (negative), since the last count."""
        self._open = max(0, self._open + deliveries)

    def counted(self, deliveries: int, seconds: float) -> None:
        """What a count found, and how long it took."""
        self._open = deliveries
        self.count_at = time.monotonic() + max(COUNT_EVERY, COUNT_SHARE * seconds)

    def check(self) -> None:
        """Raises StoreFull."""
        if self._open >= self._keep.waiting:
            raise StoreFull(f"{self._open} deliveries wait, {self._keep.waiting} are the most (store.limits.waiting)")
        free = self._free_disk()
        if free is not None and free < self._keep.free_disk:
            raise StoreFull(
                f"the store's disk has {free >> 20} MiB free, less than the {self._keep.free_disk >> 20} MiB "
                "that must stay (store.limits.free_disk)"
            )

    def _free_disk(self) -> int | None:
        if self._folder is None:
            return None
        now = time.monotonic()
        if now - self._looked_at >= _DISK_EVERY:
            self._looked_at = now
            try:
                found = os.statvfs(self._folder)
            except OSError:  # the writer will say what is wrong with it
                self._free = None
            else:
                self._free = found.f_bavail * found.f_frsize
        return self._free
