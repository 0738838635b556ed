"""Makes of a decoded body what every store and sink can keep, and names what it changed for that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gateway.text.json_bounds import (
    DEPTH_MAX,
    KEY_CHARS_MAX,
    TEXT_BYTES_MAX,
)
from gateway.text.json_tree import Pairs, WideNumber, pairs_of, shown
from gateway.text.storable import cut, is_text, mended


class Repair:
    """Makes the plain form, and names what it changed."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        self.doubled: list[str] = []

    def object(self, pairs: Sequence[tuple[str, Any]], path: str, depth: int) -> dict[str, Any]:
        repaired: dict[str, Any] = {}
        left_out: set[str] = set()
        keys = {}
        for key, value in pairs:
            name = key if len(key) <= KEY_CHARS_MAX and is_text(key, None) else mended(key[:KEY_CHARS_MAX])
            where = f"{path}{shown(name)}"
            if key in keys:
                if key not in left_out:
                    left_out.add(key)
                    self.doubled.append(where)
                    self.problems.append(where)
                    repaired.pop(name, None)
                continue
            keys[key] = name
            if name is not key:
                self.problems.append(where)
                if name in repaired:  # two keys that differ in what cannot be kept
                    continue
            kept = self._value(value, where, depth)
            if kept is not _LEFT_OUT:
                repaired[name] = kept
        return repaired

    def _value(self, value: Any, path: str, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            if is_text(value):
                return value
            self.problems.append(path)
            return cut(mended(value[:TEXT_BYTES_MAX]))
        if kind is WideNumber:
            self.problems.append(path)
            return cut(value.literal)
        if kind not in (dict, list, Pairs):
            return value
        if depth >= DEPTH_MAX:
            self.problems.append(path)
            return _LEFT_OUT
        if kind is not list:
            return self.object(pairs_of(value), f"{path}.", depth + 1)
        kept = [self._value(part, f"{path}[{n}]", depth + 1) for n, part in enumerate(value)]
        return [part for part in kept if part is not _LEFT_OUT]


_LEFT_OUT: Final = object()
