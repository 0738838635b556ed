"""Filters of listings: what is beyond the calendar is wrong use, here as at the API."""

from __future__ import annotations

from datetime import datetime

import pytest

from gateway.admin.filters import UnknownValue, moment_of
from gateway.runtime.clock import Clock
from tests.cli.conftest import Cli


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("since", ["999999999d", "0001-01-01T00:00:00+14:00", "soon"])
def test_a_time_that_is_none_is_wrong_use_and_no_traceback(cli: Cli, since: str) -> None:
    said = " ".join(cli("events", "list", "--since", since, code=2).stderr.split())
    assert "--since" in said
    assert "Traceback" not in said


def test_a_time_that_is_twice_is_asked_for_and_a_day_begins_once() -> None:
    """Whatever is done `--until 02:30` of that night would be done to an hour more or less than was meant."""
    with pytest.raises(UnknownValue, match=r"is twice.*T02:30\+02:00 or 2026-10-25T02:30\+01:00"):
        moment_of("2026-10-25T02:30", "Europe/Berlin", Clock())
    for zone, text, meant in (
        ("Europe/Berlin", "2026-10-25T02:30+01:00", "2026-10-25T01:30Z"),
        ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00Z"),
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:30Z"),  # it is not there: as if the clocks had gone on
        ("Europe/Berlin", "2026-10-25T02:30:00.5 01:00", "2026-10-25T01:30:00.5Z"),  # `+` in an address
        ("Europe/Berlin", "2026-10-25 12:30", "2026-10-25T11:30Z"),
        ("America/Havana", "2026-11-01", "2026-11-01T04:00Z"),  # of two midnights
        ("Asia/Beirut", "2026-03-29", "2026-03-28T22:00Z"),  # there is none
    ):
        assert moment_of(text, zone, Clock()) == datetime.fromisoformat(meant).timestamp() * 1000
