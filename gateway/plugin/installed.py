"""What the installed distributions bring: their entry points, described without importing any."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from gateway.runtime.entry_points import EntryPoint, entry_points

GROUP = "recording_gateway"


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin as `gateway plugins list` shows it, without importing it. `kind` is source, sink or plugin."""

    kind: str
    name: str
    origin: str  # the distribution and its version, or the file
    target: str  # module:object

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} from {self.origin} ({self.target})"


def entry_points_by_type() -> Mapping[tuple[str, str], Sequence[EntryPoint]]:
    """All of the group, by kind and name; under one name several distributions may bring something.

    Kept until a folder of the path changes, because a file of every distribution is read for it at each load.
    """
    return _by_type(tuple((str(folder), _changed_at(str(folder))) for folder in sys.path))


def _changed_at(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=1)
def _by_type(path: tuple[tuple[str, int], ...]) -> dict[tuple[str, str], list[EntryPoint]]:
    by_type: dict[tuple[str, str], list[EntryPoint]] = {}
    for entry in entry_points(GROUP):
        kind, _, name = entry.name.partition(".")
        known = by_type.setdefault((kind, name), [])
        # because one distribution can be seen twice (an editable install beside its own source tree)
        if not any(describe(other) == describe(entry) for other in known):
            known.append(entry)
    return by_type


def describe(entry: EntryPoint) -> Installed:
    """What it is and where it comes from, without importing it."""
    kind, _, name = entry.name.partition(".")
    return Installed(kind=kind, name=name, origin=entry.origin(), target=entry.value)
