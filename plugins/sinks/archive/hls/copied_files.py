"""Which files of a plan are in the storage, short enough for a memo however many they are."""

from __future__ import annotations

from collections.abc import MutableMapping


class CopiedFiles:
    """All up to one number but for a few that failed, or are still on their way. Written into a memo."""

    def __init__(self, memo: MutableMapping[str, object], count: int) -> None:
        self._memo = memo
        self._end = 0
        self._missing: set[int] = set()
        self.size_bytes = 0
        end, missing, size = memo.get("end"), memo.get("missing"), memo.get("bytes")
        if type(end) is int and 0 <= end <= count and isinstance(missing, list) and type(size) is int:
            self._end, self.size_bytes = end, size
            self._missing = {number for number in missing if type(number) is int and 0 <= number < end}

    def __contains__(self, number: int) -> bool:
        return number < self._end and number not in self._missing

    def __len__(self) -> int:
        return self._end - len(self._missing)

    @property
    def last(self) -> int:
        """The number of the last one that is there, -1 for none."""
        return self._end - 1

    def add(self, number: int, size_bytes: int) -> None:
        """This one is in the storage."""
        if number >= self._end:
            self._missing.update(range(self._end, number))
            self._end = number + 1
        self._missing.discard(number)
        self.size_bytes += size_bytes
        self._memo.update({"end": self._end, "missing": sorted(self._missing), "bytes": self.size_bytes})
