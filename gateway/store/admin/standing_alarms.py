"""Which conditions hold now that no row of a sink or a delivery says by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.model import KEY_EXPIRING, RELOAD_REFUSED, SOURCE_SILENT, STORE_LIMIT
from gateway.store.admin.shown_rows import StandingAlarm
from gateway.store.engine.session import Session

STANDING: Final = (STORE_LIMIT, RELOAD_REFUSED, KEY_EXPIRING, SOURCE_SILENT)
"""Conditions that begin and end, without those of a sink, whose gate is shown."""
_HOLDING: Final = "SELECT type, about, since_at, detail FROM alarms WHERE holds = 1"


def standing_alarms(session: Session) -> Sequence[StandingAlarm]:
    """In the order of STANDING, each since when and why."""
    standing = [
        StandingAlarm(type=type, about=about, since=since, detail=detail)
        for type, about, since, detail in session.rows(_HOLDING)
        if type in STANDING
    ]
    return sorted(standing, key=lambda one: (STANDING.index(one.type), one.about))
