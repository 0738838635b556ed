"""Says which sources are silent though they should be heard: by the clock of the place, over midnight, whatever its offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo

import msgspec


class SilenceRule(msgspec.Struct, frozen=True):
    """One rule. `hours`: from, to, on the clocks of the zone; None: always."""

    name: str
    source: str
    every: timedelta
    hours: tuple[time, time] | None
    zone: tzinfo

    def is_silent(self, now: datetime, heard: datetime) -> bool | None:
        """Whether the source is silent, last heard (or first waited for) at `heard`; None: nothing can be said, because it
        need not be heard now, and what was said before stays."""
        began = self._began(now)
        if began is None:
            return False if now - heard < self.every else None
        return now - max(heard, began) >= self.every

    def _began(self, now: datetime) -> datetime | None:
        """When the hours began that `now` is in."""
        if self.hours is None:
            return datetime.min.replace(tzinfo=UTC)
        start, end = self.hours
        local = now.astimezone(self.zone)
        day = local.date()
        if start < end:
            if not start <= local.time() < end:
                return None
        elif local.time() < end:
            day -= timedelta(days=1)
        elif local.time() < start:
            return None
        return datetime.combine(day, start, self.zone).astimezone(UTC)


def silent_sources(
    rules: Sequence[SilenceRule], now: datetime, heard: Mapping[str, datetime]
) -> dict[str, tuple[bool, str]]:
    """Each source that can be judged: whether it is silent by any of its rules, and by which."""
    judged: dict[str, tuple[bool, str]] = {}
    for rule in rules:
        silent = rule.is_silent(now, heard[rule.source])
        if silent is None:
            continue
        already, names = judged.get(rule.source, (False, ""))
        if silent:
            names = f"{names}, {rule.name}" if names else f"watch {rule.name}"
        judged[rule.source] = (already or silent, names)
    return judged
