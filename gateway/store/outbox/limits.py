"""When the store is full: too many open deliveries, of all sources or of one, or too little disk (`store.limits`)."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from gateway.errors import StoreFull
from gateway.store.outbox.retention import Keep

_DISK_LOOK_SECONDS: Final = 1.0  # seconds between two looks at the disk
COUNT_INTERVAL_SECONDS: Final = 5.0  # seconds between two counts, at least
TIGHT_BEFORE: Final = 10  # counting by source begins when a tenth of what is common is left
COUNT_SHARE: Final = 50  # a count that takes 1 s is made again after 50


class StoreLimits:
    """Checked by the loop before an accept is queued; settles and retention never are."""

    def __init__(self, keep: Keep, folder: Path | None) -> None:
        """`folder` is the SQLite file's; None: the disk is another machine's."""
        self._keep = keep
        self._folder = folder
        self._open = 0
        self._opened_since: Counter[str] = Counter()  # by source, since the last count began
        self._open_of: Counter[str] | None = None  # by source; None: not counted, because there is room for all
        self._sources: frozenset[str] = frozenset()
        self._free: int | None = None
        self._looked_at = -_DISK_LOOK_SECONDS
        self.count_at = 0.0  # monotonic: when the next count is due

    def divide(self, sources: Collection[str]) -> None:
        """These sources share the room: each has a part that no other can fill, the rest is for whoever comes first."""
        self._sources = frozenset(sources)

    @property
    def _reserved(self) -> int:
        """Open deliveries that each source may have whatever the others do."""
        return self._keep.waiting // (2 * len(self._sources)) if len(self._sources) > 1 else 0

    @property
    def _common(self) -> int:
        return self._keep.waiting - self._reserved * len(self._sources)

    @property
    def tight(self) -> bool:
        """Whether it matters how many are open of each source, or soon will: a count takes a while."""
        return self.would_be_tight(self._open)

    def would_be_tight(self, deliveries: int) -> bool:
        """The same with so many open."""
        return self._reserved > 0 and deliveries >= self._common - max(1, self._common // TIGHT_BEFORE)

    def add(self, deliveries: int, opened_of: Mapping[str, int]) -> None:
        """So many were opened, or ended (negative), since the last count; of those opened, so many of each source."""
        self._open = max(0, self._open + deliveries)
        self._opened_since.update(opened_of)
        if self._open_of is not None:
            self._open_of.update(opened_of)

    def counting(self) -> None:
        """A count begins: what is opened from here on may not be in it."""
        self._opened_since = Counter()

    def counted(self, deliveries: int, seconds: float, of: Mapping[str, int] | None = None) -> None:
        """What a count found, of each source where that was counted, and how long it took."""
        self._open = deliveries
        self._open_of = None if of is None else Counter(of) + self._opened_since
        self.count_at = time.monotonic() + max(COUNT_INTERVAL_SECONDS, COUNT_SHARE * seconds)

    def check(self, sources: Collection[str] = ()) -> None:
        """Raises StoreFull, also where one of these sources has no room left."""
        for source in sources:
            self._check_source(source)
        if self._open >= self._keep.waiting:
            raise StoreFull(f"{self._open} deliveries wait, {self._keep.waiting} are the most (store.limits.waiting)")
        free = self._free_disk()
        if free is not None and free < self._keep.free_disk:
            raise StoreFull(
                f"the store's disk has {free >> 20} MiB free, less than the {self._keep.free_disk >> 20} MiB "
                "that must stay (store.limits.free_disk)"
            )

    def refusal(self, source: str) -> StoreFull | None:
        """Why an event of this source finds no room; None: it does."""
        try:
            self.check((source,))
        except StoreFull as full:
            return full
        return None

    def used(self) -> tuple[float, str]:
        """Which part of a limit is used, of the one that is nearest (1.0: accepts are refused), and what people call it."""
        part = self._open / max(self._keep.waiting, 1)
        text = f"{self._open} of {self._keep.waiting} deliveries wait (store.limits.waiting)"
        free = self._free_disk()
        if free is not None and self._keep.free_disk:
            of_disk = self._keep.free_disk / max(free, 1)
            if of_disk > part:
                stay = f"{self._keep.free_disk >> 20} MiB must stay (store.limits.free_disk)"
                return of_disk, f"the store's disk has {free >> 20} MiB free, {stay}"
        return part, text

    def _check_source(self, source: str) -> None:
        """Between two counts nobody knows whose deliveries ended, so a source may be told so a little too early."""
        if self._open_of is None or self._reserved == 0 or self._open < self._common:
            return
        reserved = self._reserved
        used = self._open_of[source]
        if source in self._sources and used < reserved:
            return
        counts = list(self._open_of.items())  # at once, because the writer's thread adds to it
        taken = sum(max(0, count - (reserved if name in self._sources else 0)) for name, count in counts)
        if taken >= self._common:
            raise StoreFull(
                f"{used} deliveries of the source {source} wait, and what is left of {self._keep.waiting} "
                "(store.limits.waiting) is kept for other sources"
            )

    def _free_disk(self) -> int | None:
        if self._folder is None:
            return None
        now = time.monotonic()
        if now - self._looked_at >= _DISK_LOOK_SECONDS:
            self._looked_at = now
            try:
                disk = os.statvfs(self._folder)
            except OSError:  # the writer will say what is wrong with it
                self._free = None
            else:
                self._free = disk.f_bavail * disk.f_frsize
        return self._free
