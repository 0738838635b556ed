"""Times in events: RFC 3339 in UTC, as Python writes them, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.events.samples import event_of
from gateway.events.times import format_time, parse_time


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
        (datetime(2026, 1, 1, 0, 0, 0, 31000, UTC), "2026-01-01T00:00:00.031Z"),
        (datetime(2026, 1, 1, 0, 0, 0, 500000, UTC), "2026-01-01T00:00:00.500Z"),
        (datetime(2026, 1, 1, 0, 0, 0, 1, UTC), "2026-01-01T00:00:00.000001Z"),
        (datetime(2026, 1, 1, 8, tzinfo=timezone(timedelta(hours=8))), "2026-01-01T00:00:00Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
    ],
    ids=str,
)
def test_times_are_utc_with_as_many_digits_as_there_are(at, text) -> None:
    assert format_time(at) == text
    assert parse_time(text) == at
    assert parse_time(text).tzinfo is UTC


class LibraryTime(datetime):
    """A time of a class of its own, as libraries have."""


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=-30))])))
@example(datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC))
@example(datetime(999, 1, 1, 0, 0, 0, 10_000, UTC))
def test_a_time_is_written_as_python_writes_it(at: datetime) -> None:
    try:
        here = at.astimezone(UTC)
    except OverflowError:
        return
    usual = here.isoformat(timespec="auto" if here.microsecond % 1000 or not here.microsecond else "milliseconds")
    assert format_time(at) == usual.removesuffix("+00:00") + "Z"
    assert format_time(LibraryTime.combine(at, at.timetz())) == format_time(at)


def test_a_time_without_a_zone_is_told_both_ways() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        format_time(datetime(2026, 1, 1))
    for text in ("2026-01-01T00:00:00", "2026-01-01"):
        with pytest.raises(ValueError, match="no time zone"):
            parse_time(text)
    with pytest.raises(ValueError, match="before the year 1"):
        parse_time("0001-01-01T00:00:00+14:00")


def test_a_time_that_was_written_in_python_is_read_as_its_text_is() -> None:
    east = timezone(timedelta(hours=14))
    event = event_of({"type": "recording.failed", "time": datetime(2026, 1, 1, 14, 0, 0, 5000, tzinfo=east)})
    assert event.time == datetime(2026, 1, 1, 0, 0, 0, 5000, tzinfo=UTC)
    for wrong in (datetime(1, 1, 1, tzinfo=east), datetime(2026, 1, 1)):
        with pytest.raises(ValueError, match="`time` is an RFC 3339 time"):
            event_of({"type": "recording.failed", "time": wrong})
