"""Durations, sizes and rates: numbers that people write with a unit."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

_UNITS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}  # in milliseconds
_DURATION: Final = re.compile(
    r"(?:(\d{1,9})d)?(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?", re.A
)
_DURATION_MS_MAX: Final = (
    3_660 * _UNITS["d"]
)  # ten years: a longer one is a mistake, and adding it to a date stays possible
_SIZES: Final = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_SIZE: Final = re.compile(r"(\d{1,19})\s?([kmgt]?i?b)?", re.A | re.I)
_RATE: Final = re.compile(r"(\d{1,9})/([1-9]\d{0,3})?(s|m|h|d)", re.A)

DURATION_TEXT: Final = "a duration such as 250ms, 10s, 5m, 1h30m or 3d"
SIZE_TEXT: Final = "a size such as 256KiB, 1MB or a number of bytes"
RATE_TEXT: Final = "a rate such as 5/s, 20/m, 100/h or 5/20s"


def parse_duration(text: str) -> timedelta:
    """From `250ms`, `10s`, `5m`, `1h`, `3d`, `1h30m` (units in falling order) or a bare 0. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if text == "0":
        return timedelta()
    if not text or match is None:
        raise ValueError(DURATION_TEXT)
    total = sum(int(amount) * unit for amount, unit in zip(match.groups(), _UNITS.values(), strict=True) if amount)
    if total > _DURATION_MS_MAX:
        raise ValueError("a duration of at most ten years (3660d)")
    return timedelta(milliseconds=total)


def format_duration(value: timedelta) -> str:
    """The text that `parse_duration` reads back, to the millisecond."""
    left = value // timedelta(milliseconds=1)
    parts = []
    for unit, length in _UNITS.items():
        amount, left = divmod(left, length)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: str) -> int:
    """Bytes, from `256KiB` (powers of 1024), `1MB` (powers of 1000) or a bare whole number. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    unit = (match[2] or "").upper() if match else "?"
    if match is None or unit not in _SIZES:
        raise ValueError(SIZE_TEXT)
    size = int(match[1]) * _SIZES[unit]
    if size >= 2**63:
        raise ValueError("a size below 8 EiB")
    return size


def format_size(size: int) -> str:
    """The shortest text that `parse_size` reads back."""
    for unit in ("TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "KB"):
        if size and not size % _SIZES[unit.upper()]:
            return f"{size // _SIZES[unit.upper()]}{unit}"
    return str(size)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in every `seconds`."""

    count: int
    seconds: int

    def __str__(self) -> str:
        unit, length = next(
            (unit, length // 1000) for unit, length in _UNITS.items() if self.seconds * 1000 % length == 0
        )
        times = self.seconds // length
        return f"{self.count}/{times if times > 1 else ''}{unit}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _reader(cls, parse_rate, RATE_TEXT),
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="json"),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        return {"type": "string", "pattern": f"^{_RATE.pattern}$", "examples": ["20/m"]}


def parse_rate(text: str) -> Rate:
    """From `5/s`, `20/m`, `100/h`, `1000/d`, or with several units of time `5/20s`. Raises ValueError."""
    match = _RATE.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError(RATE_TEXT)
    return Rate(int(match[1]), int(match[2] or 1) * _UNITS[match[3]] // 1000)


def _reader(kind: type[object], parse: Callable[[str], object], expected: str) -> Callable[[object], object]:
    def parsed(value: object) -> object:
        if isinstance(value, kind) and not isinstance(value, bool) and (type(value) is not int or value >= 0):
            return value
        if kind is timedelta and type(value) is int and value == 0:
            return timedelta()
        if not isinstance(value, str):
            raise PydanticCustomError("quantity_type", expected)
        try:
            return parse(value.strip())
        except ValueError as error:
            raise PydanticCustomError("quantity", str(error)) from None

    return parsed


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Quantity(Generic[T]):
    """How a number is read from, and written as, text with a unit."""

    kind: type[T]
    parse: Callable[[str], T]
    write: Callable[[T], str]
    expected: str
    json: tuple[dict[str, object], ...] = field(
        hash=False
    )  # because `Size | None` hashes its parts, and a dict has no hash
    reads_text: ClassVar[bool] = True  # for readers of files: hand the text over as it stands

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            _reader(self.kind, self.parse, self.expected),
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(self.write, when_used="json"),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        return dict(self.json[0]) if len(self.json) == 1 else {"anyOf": [dict(part) for part in self.json]}


_DURATION_JSON: Final = {
    "type": "string",
    "pattern": r"^(0|(?=\d)(\d{1,9}d)?(\d{1,9}h)?(\d{1,9}m)?(\d{1,9}s)?(\d{1,9}ms)?)$",
    "examples": ["10s"],
}
_SIZE_JSON: Final = {"type": "string", "pattern": r"^\d{1,19} ?([kKmMgGtT]?i?[bB])?$", "examples": ["256KiB"]}

Duration = Annotated[
    timedelta,
    _Quantity(
        timedelta, parse_duration, format_duration, DURATION_TEXT, (_DURATION_JSON, {"type": "integer", "const": 0})
    ),
]
"""A timedelta, written `250ms`, `10s`, `5m`, `1h30m`, `3d` or 0."""

Size = Annotated[
    int, _Quantity(int, parse_size, format_size, SIZE_TEXT, ({"type": "integer", "minimum": 0}, _SIZE_JSON))
]
"""A number of bytes, written `256KiB`, `1MB` or bare."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """The least and the most of a duration or size, both allowed, in the words of its type."""

    least: timedelta | int | None
    most: timedelta | int | None

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> object:
        if self.least is not None and value < self.least:
            raise PydanticCustomError("quantity_small", f"at least {_written(self.least)}")
        if self.most is not None and value > self.most:
            raise PydanticCustomError("quantity_large", f"at most {_written(self.most)}")
        return value


def between(least: str | int | None = None, most: str | int | None = None) -> Bounds:
    """Bounds for `Annotated[Duration, between("1s", "1h")]` (as text) or `Annotated[Size, between(1, 1024)]` (as bytes)."""
    return Bounds(*(parse_duration(bound) if isinstance(bound, str) else bound for bound in (least, most)))


def _written(bound: timedelta | int) -> str:
    return format_duration(bound) if isinstance(bound, timedelta) else format_size(bound)
