"""What the installed distributions bring: their entry points, described without importing any."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

GROUP = "recording_gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One plugin as `gateway plugins list` shows it, without importing it. `kind` is source, sink or plugin."""

    kind: str
    name: str
    origin: str  # the distribution and its version, or the file
    target: str  # module:object

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} from {self.origin} ({self.target})"


def entry_points_by_type() -> dict[tuple[str, str], list[EntryPoint]]:
    """All of the group, by kind and name; under one name several distributions may bring something."""
    by_type: dict[tuple[str, str], list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        kind, _, name = entry.name.partition(".")
        known = by_type.setdefault((kind, name), [])
        # because one distribution can be seen twice (an editable install beside its own source tree)
        if not any(describe(other) == describe(entry) for other in known):
            known.append(entry)
    return by_type


def describe(entry: EntryPoint) -> Installed:
    """What it is and where it comes from, without importing it."""
    kind, _, name = entry.name.partition(".")
    origin = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown distribution"
    return Installed(kind=kind, name=name, origin=origin, target=entry.value)
