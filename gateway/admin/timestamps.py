"""Times as the API and the command line write them: RFC 3339 in UTC with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(at: int | None) -> str | None:
    """Milliseconds since 1970 as text."""
    return None if at is None else moment(at)


def moment(at: int) -> str:
    """The same for a time that there is."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def milliseconds(text: str) -> int:
    """A time with its zone as milliseconds since 1970. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time needs its zone, such as Z")
    return round(at.timestamp() * 1000)
