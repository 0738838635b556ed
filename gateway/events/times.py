"""Times as RFC 3339, both ways."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.compact_json import encode_struct


def format_time(at: datetime) -> str:
    """RFC 3339 in UTC with a Z and as many digits of a second as there are. Raises ValueError for a time without a zone."""
    if at.tzinfo is not UTC:
        if at.tzinfo is None:
            raise ValueError(f"{at.isoformat()} has no time zone")
        at = at.astimezone(UTC)
    if type(at) is not datetime:  # a library's own kind, which the encoder does not know
        at = datetime.combine(at, at.time(), UTC)
    text = encode_struct(at).decode()  # between quotes, as `isoformat` does it, five times as fast, with a Z
    if not at.microsecond or at.microsecond % 1000:
        return text[1:-1]
    return text[1:-5] + "Z"


def parse_time(text: str) -> datetime:
    """Aware UTC from RFC 3339. Raises ValueError, also for a time without a zone or one beyond the calendar."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is before the year 1 or after the year 9999 in UTC") from None
