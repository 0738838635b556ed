"""Checks what people filter by: a name that is misspelt would match nothing, so it is refused with the one that was meant."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from gateway.errors import GatewayError
from gateway.model import ALL_TYPES
from gateway.text.suggest import suggestion

if TYPE_CHECKING:
    from gateway.runtime.clock import Clock
    from gateway.store.admin.queries import StoreQueries

GLOB = frozenset("*?[")
VALUE_CHARS_MAX = 256  # characters of one filter
DATE_CHARS = len("2026-01-31")
_BLANK_FOR_PLUS = re.compile(r"(:\d\d(?:\.\d+)?) (\d\d:\d\d)$", re.ASCII)  # what a form makes of a `+` in an address
VALUES_MAX = 50  # of one filter


class UnknownValue(GatewayError):
    """A filter names something that there is not; the text has a near miss."""


def known_sink(queries: StoreQueries, configured: Collection[str], name: str) -> str:
    """A sink that is configured, or that the store knows from before. Raises UnknownValue."""
    if name in configured:
        return name
    there = queries.sink_names()
    if name in there:
        return name
    raise UnknownValue(f"no sink {name!r}{suggestion(name, dict.fromkeys([*configured, *there]))}")


def known_source(queries: StoreQueries, configured: Collection[str], name: str) -> str:
    """A source that is configured, or that something in the store came from; a glob is taken as it is. Raises UnknownValue."""
    if name in configured or GLOB & set(name) or queries.knows_source(name):
        return name
    raise UnknownValue(f"no source {name!r}{suggestion(name, configured)}")


def known_type(glob: str) -> str:
    """A glob that fits an event type that there is. Raises UnknownValue."""
    if any(fnmatchcase(type, glob) for type in ALL_TYPES):
        return glob
    raise UnknownValue(f"no event type {glob!r}{suggestion(glob, ALL_TYPES)}")


def moment_of(text: str, timezone: str, clock: Clock) -> int:
    """A time in milliseconds: as written, in this time zone where it names none, or so long ago. Raises UnknownValue."""
    from gateway.fields import parse_duration  # here, because types of options come with pydantic
    from gateway.fields.locale import is_twice, zone_of

    try:
        at = datetime.fromisoformat(_BLANK_FOR_PLUS.sub(r"\1+\2", text))
    except ValueError:
        try:
            at = clock.now() - parse_duration(text)
        except (ValueError, OverflowError):
            raise UnknownValue(
                f"{text[:40]!r}: expected a time such as 2026-01-31T12:00, or how long ago, such as 90m or 2d"
            ) from None
    try:
        if at.tzinfo is None:
            at = at.replace(tzinfo=zone_of(timezone))
            if is_twice(at) and len(text) > DATE_CHARS:  # a day begins with the first of two midnights
                both = " or ".join(at.replace(fold=fold).isoformat(timespec="minutes") for fold in (0, 1))
                raise UnknownValue(f"{text[:40]!r} is twice, the clocks were set back: write {both}")
        return round(at.astimezone(UTC).timestamp() * 1000)
    except (OverflowError, ValueError):
        raise UnknownValue(f"{text[:40]!r} is beyond the calendar") from None


def listed(values: Sequence[str]) -> tuple[str, ...] | None:
    """`a,b` and a filter given twice are a list. Raises UnknownValue where it is too long."""
    found = tuple(part.strip() for value in values for part in value.split(",") if part.strip())
    if len(found) > VALUES_MAX or any(len(part) > VALUE_CHARS_MAX for part in found):
        raise UnknownValue(f"at most {VALUES_MAX} values of {VALUE_CHARS_MAX} characters")
    return found or None
