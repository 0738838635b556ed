"""Fits a value into a column: checks type, length and range before the database does, because databases differ."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from gateway import encode_json, parse_time

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")  # no database has NUL, and lone surrogates have no UTF-8
_BYTES: Final = {"TINYTEXT": 2**8 - 1, "TEXT": 2**16 - 1, "MEDIUMTEXT": 2**24 - 1, "LONGTEXT": 2**32 - 1}  # of MySQL
_BITS: Final = {"TINYINT": 8, "SMALLINT": 16, "MEDIUMINT": 24, "INT": 32, "INTEGER": 32, "BIGINT": 64}
_EXACT: Final = decimal.Context(prec=2000)  # more digits than any column has


class Unfit(ValueError):
    """The column cannot hold the value: what was found and what it holds, without the value itself."""


def fit(value: object, column: sa.Column[object], dialect: str) -> object:
    """The value as the driver wants it for this column. Raises Unfit."""
    if value is None:
        if not column.nullable and column.server_default is None:
            raise Unfit("it takes no null, and the event has nothing for it")
        return None
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return _truth(value, dialect)
    if isinstance(kind, sa.Integer):
        return _whole(value, kind, dialect)
    if isinstance(kind, sa.Numeric | sa.Float):
        return _number(value, kind, dialect)
    if isinstance(kind, sa.DateTime):
        return _time(value, kind, dialect)
    if isinstance(kind, sa.Date):
        return _at(value).date() if dialect != "sqlite" else _at(value).date().isoformat()
    if isinstance(kind, sa.JSON):
        return _json(value, dialect)
    if isinstance(kind, sa.Uuid):
        return _uuid(value)
    if isinstance(kind, sa.LargeBinary | sa.types._Binary):
        return value if isinstance(value, bytes) else _as_text(value).encode()
    if isinstance(kind, sa.ARRAY):
        return _array(value)
    if isinstance(kind, sa.Enum):
        text = _as_text(value)
        if text not in kind.enums:
            raise Unfit(f"a text that is none of its values ({', '.join(map(str, kind.enums[:8]))})")
        return text
    if isinstance(kind, sa.String):
        return _length(_as_text(value), kind, dialect)
    return (
        _as_text(value) if isinstance(value, str | Mapping | list | tuple) else value
    )  # what SQLAlchemy does not know


def _truth(value: object, dialect: str) -> object:
    if isinstance(value, int) and value in {0, 1}:
        return int(value) if dialect == "sqlite" else bool(value)
    raise Unfit(f"{_named(value)}, and it holds true or false")


def _whole(value: object, kind: sa.Integer, dialect: str) -> int:
    if isinstance(value, float) and math.isfinite(value):
        value = round(value)  # as PostgreSQL and MySQL do
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value, re.ASCII):
        value = int(value)
    if not isinstance(value, int):
        raise Unfit(f"{_named(value)}, and it holds whole numbers")
    name = str(kind.__visit_name__).upper()
    bits = (
        64
        if dialect == "sqlite"
        else _BITS.get(name, 16 if name == "SMALL_INTEGER" else 32 if name == "INTEGER" else 64)
    )
    if getattr(kind, "unsigned", False):
        least, most = 0, 2**bits - 1
    else:
        least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if not least <= value <= most:
        raise Unfit(f"a number out of its range, {least} to {most}")
    return int(value)


def _number(value: object, kind: Any, dialect: str) -> object:
    if isinstance(value, str) and dialect == "sqlite":
        return _clean(value)  # because SQLite reads any type it does not know as NUMERIC, and holds text in it
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (isinstance(value, float) and not math.isfinite(value))
    ):
        raise Unfit(f"{_named(value)}, and it holds numbers")
    if isinstance(kind, sa.Float) or dialect == "sqlite":
        return float(value) if abs(value) < 2**1023 else _too_large()
    exact = decimal.Decimal(str(value))
    if kind.precision is not None:
        scale = kind.scale or 0
        most = decimal.Decimal(10) ** (kind.precision - scale)
        rounded = exact if abs(exact) >= most else exact.quantize(decimal.Decimal(1).scaleb(-scale), context=_EXACT)
        if abs(rounded) >= most:
            raise Unfit(f"a number out of its range, {kind.precision - scale} digits before the point")
    return exact


def _too_large() -> float:
    raise Unfit("a number out of its range")


def _at(value: object) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return _in_utc(value)
    if isinstance(value, str):
        try:
            return parse_time(value)
        except ValueError:
            raise Unfit("a text that is no time such as 2026-01-01T00:00:00Z, and it holds times") from None
    raise Unfit(f"{_named(value)}, and it holds times")


def _time(value: object, kind: sa.DateTime, dialect: str) -> object:
    at = _at(value)
    if dialect == "postgresql" and kind.timezone:
        return at
    naive = at.replace(tzinfo=None)  # UTC
    if dialect == "sqlite":
        return naive.isoformat(" ", "microseconds")
    if isinstance(kind, mysql.TIMESTAMP) and not 1970 <= at.year < 2038:
        raise Unfit("a time out of its range, 1970 to 2037")
    return naive


def _json(value: object, dialect: str) -> object:
    clean = _plain(value)
    return encode_json(clean) if dialect == "sqlite" else clean


def _uuid(value: object) -> uuid.UUID:
    try:
        return uuid.UUID(_as_text(value))
    except ValueError:
        raise Unfit("a text that is no UUID") from None


def _array(value: object) -> list[object]:
    if not isinstance(value, list | tuple):
        raise Unfit(f"{_named(value)}, and it holds lists")
    return [_as_text(item) if isinstance(item, str | Mapping | list | tuple) else item for item in value]


def _length(text: str, kind: sa.String, dialect: str) -> str:
    if dialect == "sqlite":
        return text  # it has no lengths
    if kind.length is not None and len(text) > kind.length:
        raise Unfit(f"a text of {len(text)} characters, and it holds {kind.length}")
    most = _BYTES.get(str(kind.__visit_name__).upper()) if dialect == "mysql" else None
    if most is not None and len(text) * 4 > most and (size := len(text.encode())) > most:
        raise Unfit(f"a text of {size} bytes, and it holds {most}")
    return text


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return _stamp(value)
    if isinstance(value, bytes):
        return _clean(value.decode("utf-8", "replace"))
    if isinstance(value, Mapping | list | tuple):
        return encode_json(_plain(value))
    return str(value)


def _in_utc(at: dt.datetime) -> dt.datetime:
    try:
        return at.astimezone(dt.UTC)
    except OverflowError:
        raise Unfit("a time before the year 1 or after the year 9999 in UTC") from None


def _stamp(at: dt.datetime) -> str:
    """Always three digits of a second, so that texts sort as times do."""
    return _in_utc(at).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _clean(text: str) -> str:
    return text if text.isascii() and "\0" not in text else _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _plain(value: object) -> object:
    """What JSON knows, with texts that databases store."""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Mapping):
        return {_clean(str(key)): _plain(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _as_text(value)


def _named(value: object) -> str:
    for kinds, name in _NAMES:
        if isinstance(value, kinds):
            return name
    return f"a {type(value).__name__}"


_NAMES: Final[Sequence[tuple[type | UnionType, str]]] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "a text"),
    (Mapping, "a map"),
    (list | tuple, "a list"),
    (bytes, "bytes"),
    (dt.datetime, "a time"),
)
