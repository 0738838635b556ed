"""What alarms are about: a condition as a process sees it, as the store keeps it, and as it is told."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from gateway.states import AlarmType
from gateway.store.records import Accepted, NewEvent


class Seen(NamedTuple):
    """What a process sees of a condition that the store cannot know: whether it holds, and why."""

    type: AlarmType
    about: str
    holds: bool
    detail: str = ""

    @property
    def name(self) -> tuple[AlarmType, str]:
        """What it is known by."""
        return self.type, self.about


class Condition(msgspec.Struct):
    """One thing that alarms are about, as the store keeps it. Times are ms."""

    type: AlarmType
    about: str
    holds: bool
    since: int
    announced: bool = False
    announced_at: int | None = None
    occurrences: int = 0
    detail: str = ""

    @property
    def name(self) -> tuple[AlarmType, str]:
        """What it is known by."""
        return self.type, self.about


class AlarmDue(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm to be told: all of a type that is due now. `since`: of the first of them; `at`: now; both ms."""

    type: AlarmType
    about: str
    since: int
    at: int
    count: int
    detail: str


class Announced(NamedTuple):
    """An alarm that was stored."""

    due: AlarmDue
    new: NewEvent
    accepted: Accepted
