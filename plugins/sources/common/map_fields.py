"""Takes the fields of a mapped event one by one, from what the expressions of the map gave."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from gateway import (
    TEXT_BYTES_MAX,
    File,
)
from plugins.sources.common.expressions import (
    UNREADABLE,
)
from plugins.sources.common.fields import PIXELS_MAX, Reading, moment_of

TEXTS: Final = ("domain", "app", "stream", "format", "project_id", "job_id", "task_id")

_T = TypeVar("_T")
_UNITS: Final = ((10**17, 10**9), (10**14, 10**6), (10**11, 1000), (0, 1))  # from this number on, so many in a second


class Taker:
    """What the expressions said, as the types of the normal form; what is of another type is a problem."""

    def __init__(self, values: Mapping[str, object], problems: list[str], path: str = "") -> None:
        self._values = values
        self._problems = problems
        self._path = path

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        if (type(value) is int or type(value) is float) and math.isfinite(value):
            value = str(value)
        if type(value) is str and len(value) <= TEXT_BYTES_MAX and "\0" not in value:
            return (value.lower() if name == "format" else value) or None  # a format is lower case, whoever says it
        self._miss(name, value)
        return None

    def whole(self, name: str) -> int | None:
        return self._read_value(name, Reading.whole)

    def pixels(self, name: str) -> int | None:
        return self._read_value(name, lambda reading, name: reading.whole(name, PIXELS_MAX))

    def seconds(self, name: str) -> float | None:
        value = self._values.get(name)
        if isinstance(value, timedelta):
            return value.total_seconds()
        return self._read_value(name, Reading.seconds)

    def time(self, name: str) -> datetime | None:
        value = self._values.get(name)
        if isinstance(value, datetime) and value.tzinfo is not None:
            try:
                return value.astimezone(UTC)
            except OverflowError:  # before the year 1 or after the year 9999 in UTC
                self._miss(name, value)
                return None
        return _since_1970(value) or self._read_value(name, Reading.time)

    def _read_value(self, name: str, read: Callable[[Reading, str], _T]) -> _T | None:
        """What a reader of callbacks makes of the value."""
        value = self._values.get(name)
        reading = Reading({name: value})
        if value is not UNREADABLE:
            found = read(reading, name)
            if not reading.problems:
                return found
        self._miss(name, value)
        return None

    def _miss(self, name: str, value: object) -> None:
        if value is not None:
            self._problems.append(self._path + name)


READS: Final[Mapping[str, Callable[[Taker, str], object]]] = {
    **dict.fromkeys((name for name in File.__struct_fields__ if name != "storage"), Taker.text),
    **dict.fromkeys(("location", "bucket", "key"), Taker.text),
    **dict.fromkeys(("width", "height"), Taker.pixels),
    **dict.fromkeys(("started_at", "ended_at"), Taker.time),
    "size_bytes": Taker.whole,
    "duration_seconds": Taker.seconds,
}


def _since_1970(value: Any) -> datetime | None:
    """A number since 1970, whose size says what it counts: no recording is older than 1973 nor younger than 5138."""
    number = value
    if type(value) is str and value.isascii() and value.replace(".", "", 1).isdigit() and len(value) < 30:
        number = float(value) if "." in value else int(value)
    if type(number) not in (int, float) or not math.isfinite(number):
        return None
    over = next((over for least, over in _UNITS if number >= least), 1)
    return moment_of(number, over)


def plain_value(value: object) -> object:
    """A value that names an event, in a form that is the same for ever."""
    if value is UNREADABLE:
        return None
    if value is None or type(value) in (str, int, bool):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
