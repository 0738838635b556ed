"""A source is silent when nothing came for too long in the hours when it should speak, by the clocks of its place."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from gateway.recordings.silence import SilenceRule, silent_sources

BERLIN = ZoneInfo("Europe/Berlin")
DAY, NIGHT = (time(8), time(23)), (time(22), time(6))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("hours", "heard", "now", "silent"),
    [
        (None, "2026-05-01T10:00", "2026-05-01T15:59", False),
        (None, "2026-05-01T10:00", "2026-05-01T16:00", True),
        (DAY, "2026-05-01T22:50", "2026-05-02T08:05", False),  # the night does not count
        (DAY, "2026-05-01T22:50", "2026-05-02T13:59", False),
        (DAY, "2026-05-01T22:50", "2026-05-02T14:00", True),
        (DAY, "2026-05-01T10:00", "2026-05-01T23:30", None),  # outside its hours nothing is said
        (DAY, "2026-05-01T23:10", "2026-05-01T23:30", False),  # but that it is back
        (NIGHT, "2026-05-01T12:00", "2026-05-02T03:59", False),
        (NIGHT, "2026-05-01T12:00", "2026-05-02T04:00", True),
        (NIGHT, "2026-05-01T12:00", "2026-05-02T06:00", None),
        (NIGHT, "2026-03-28T12:00", "2026-03-29T04:59", False),  # an hour that is not: six hours end at five
        (NIGHT, "2026-03-28T12:00", "2026-03-29T05:00", True),
        (NIGHT, "2026-10-24T12:00", "2026-10-25T03:00", True),  # and one that is twice
    ],
)
def test_silence_is_judged_by_the_hours_of_the_place(
    hours: tuple[time, time] | None, heard: str, now: str, silent: bool | None
) -> None:
    rule = SilenceRule("quiet", "live", timedelta(hours=6), hours, BERLIN)
    assert rule.is_silent(at(now), at(heard)) is silent


def test_a_source_is_silent_by_any_of_its_rules() -> None:
    rules = [
        SilenceRule("short", "live", timedelta(hours=1), None, BERLIN),
        SilenceRule("long", "live", timedelta(hours=9), None, BERLIN),
        SilenceRule("night", "other", timedelta(hours=1), NIGHT, BERLIN),
    ]
    heard = {"live": at("2026-05-01T10:00"), "other": at("2026-05-01T10:00")}
    assert silent_sources(rules, at("2026-05-01T12:00"), heard) == {"live": (True, "watch short")}
