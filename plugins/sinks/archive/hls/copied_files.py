"""Which files of a plan are in the storage, short enough for a memo however many they are."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any


class CopiedFiles:
    """The first `next` of them, and a few `beyond`, because several are on their way at once. Written into a memo."""

    def __init__(self, memo: MutableMapping[str, Any], count: int) -> None:
        self._memo = memo
        self._next = 0
        self._beyond: set[int] = set()
        self.size_bytes = 0
        first, beyond, size = memo.get("next"), memo.get("beyond"), memo.get("bytes")
        if type(first) is int and 0 <= first <= count and isinstance(beyond, list) and type(size) is int:
            self._next, self.size_bytes = first, size
            self._beyond = {number for number in beyond if type(number) is int and first < number < count}

    def __contains__(self, number: int) -> bool:
        return number < self._next or number in self._beyond

    def __len__(self) -> int:
        return self._next + len(self._beyond)

    @property
    def last(self) -> int:
        """The number of the last one that is there, -1 for none."""
        return max(self._beyond, default=self._next - 1)

    def add(self, number: int, size_bytes: int) -> None:
        """This one is in the storage."""
        self._beyond.add(number)
        self.size_bytes += size_bytes
        while self._next in self._beyond:
            self._beyond.remove(self._next)
            self._next += 1
        self._memo.update({"next": self._next, "beyond": sorted(self._beyond), "bytes": self.size_bytes})
