"""Fitting values into columns: each type of each database takes what it can hold and says why it cannot."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql, postgresql

from plugins.sinks.database.column_values import Unfit, fit

AT = dt.datetime(2026, 1, 1, 12, 30, 0, 5000, tzinfo=dt.UTC)
TEXT = "2026-01-01T12:30:00.005Z"


def put(value: Any, kind: Any, dialect: str = "postgresql", **column: Any) -> Any:
    return fit(value, sa.Column("c", kind, **column), dialect)


GOOD: list[tuple[Any, Any, str, Any]] = [
    (True, sa.Boolean(), "postgresql", True),
    (1, sa.Boolean(), "postgresql", True),
    (0, sa.Boolean(), "sqlite", 0),
    (2.5, sa.Integer(), "postgresql", 2),
    (True, sa.Integer(), "mysql", 1),
    ("-7", sa.BigInteger(), "postgresql", -7),
    (255, mysql.TINYINT(unsigned=True), "mysql", 255),
    (2**64 - 1, mysql.BIGINT(unsigned=True), "mysql", 2**64 - 1),
    (1.25, sa.Numeric(6, 2), "postgresql", Decimal("1.25")),
    (7, sa.Numeric(), "mysql", Decimal(7)),
    (10**39, sa.Numeric(65, 20), "mysql", Decimal(10**39)),
    (7, sa.Float(), "postgresql", 7.0),
    ("as it is", sa.Numeric(), "sqlite", "as it is"),
    (TEXT, sa.DateTime(timezone=True), "postgresql", AT),
    (TEXT, sa.DateTime(), "postgresql", AT.replace(tzinfo=None)),
    (AT, mysql.DATETIME(fsp=6), "mysql", AT.replace(tzinfo=None)),
    (TEXT, sa.DateTime(), "sqlite", "2026-01-01 12:30:00.005000"),
    (TEXT, sa.Date(), "sqlite", "2026-01-01"),
    (AT, sa.Date(), "mysql", dt.date(2026, 1, 1)),
    (AT, sa.Text(), "postgresql", TEXT),
    (AT.replace(microsecond=0), sa.Text(), "sqlite", "2026-01-01T12:30:00.000Z"),
    (b"\xff\x00", sa.LargeBinary(), "postgresql", b"\xff\x00"),
    ("é", sa.LargeBinary(), "mysql", b"\xc3\xa9"),
    (b"\xffa", sa.Text(), "mysql", "\ufffda"),
    ({"a": ["\0", AT, 1.5, None]}, sa.JSON(), "mysql", {"a": ["\ufffd", TEXT, 1.5, None]}),
    ({"a": 1}, sa.JSON(), "sqlite", '{"a":1}'),
    ([1, "ü"], sa.Text(), "postgresql", '[1,"ü"]'),
    (False, sa.Text(), "postgresql", "false"),
    (1.5, sa.String(9), "postgresql", "1.5"),
    (["a", 1, [2]], postgresql.ARRAY(sa.Text()), "postgresql", ["a", 1, "[2]"]),
    ("a\0", sa.types.NullType(), "postgresql", "a\ufffd"),
    (dt.timedelta(1), sa.types.NullType(), "postgresql", dt.timedelta(1)),
    ("x" * 99, sa.String(5), "sqlite", "x" * 99),
]


@pytest.mark.parametrize(("value", "kind", "dialect", "expected"), GOOD, ids=lambda value: str(value)[:20])
def test_what_a_column_can_hold_is_put_into_its_form(value: Any, kind: Any, dialect: str, expected: Any) -> None:
    got = put(value, kind, dialect)
    assert got == expected
    assert type(got) is type(expected)


BAD: list[tuple[Any, Any, str, str]] = [
    (2, sa.Boolean(), "postgresql", "holds true or false"),
    ({"a": 1}, sa.Integer(), "postgresql", "a map, and it holds whole numbers"),
    ([1], sa.Integer(), "sqlite", "a list, and it holds whole numbers"),
    (float("nan"), sa.Integer(), "postgresql", "a number, and it holds whole numbers"),
    (40_000, sa.SmallInteger(), "postgresql", "-32768 to 32767"),
    (2**31, sa.Integer(), "postgresql", "-2147483648 to 2147483647"),
    (-1, mysql.INTEGER(unsigned=True), "mysql", "0 to 4294967295"),
    (2**23, mysql.MEDIUMINT(), "mysql", "-8388608 to 8388607"),
    (2**63, sa.Integer(), "sqlite", "out of its range"),
    (float("inf"), sa.Float(), "postgresql", "a number, and it holds numbers"),
    (10**400, sa.Float(), "postgresql", "out of its range"),
    (9999.999, sa.Numeric(6, 2), "postgresql", "4 digits before the point"),
    (1e26, sa.Numeric(6, 2), "mysql", "4 digits before the point"),
    ("1", sa.Numeric(), "postgresql", "a text, and it holds numbers"),
    (b"x", sa.DateTime(), "postgresql", "bytes, and it holds times"),
    ("2026-01-01", sa.DateTime(), "sqlite", "a text that is no time"),
    (dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14))), sa.DateTime(), "mysql", "before the year 1"),
    (dt.datetime(1, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=14))), sa.Text(), "sqlite", "before the year 1"),
    ("soon", sa.Date(), "mysql", "a text that is no time"),
    (AT, sa.Integer(), "mysql", "a time, and it holds whole numbers"),
    (dt.timedelta(1), sa.Integer(), "mysql", "a timedelta, and it holds whole numbers"),
    ("x", sa.Uuid(), "postgresql", "no UUID"),
    ("x", postgresql.ARRAY(sa.Text()), "postgresql", "a text, and it holds lists"),
    ("x", sa.Enum("a", "b", name="e"), "postgresql", "none of its values (a, b)"),
    ("12345", sa.String(4), "postgresql", "5 characters, and it holds 4"),
    ("é" * 40_000, mysql.TEXT(), "mysql", "80000 bytes, and it holds 65535"),
]


@pytest.mark.parametrize(("value", "kind", "dialect", "said"), BAD, ids=lambda value: str(value)[:20])
def test_what_a_column_cannot_hold_is_unfit_and_the_reason_does_not_repeat_it(
    value: Any, kind: Any, dialect: str, said: str
) -> None:
    with pytest.raises(Unfit) as unfit:
        put(value, kind, dialect)
    assert said in str(unfit.value)


def test_null_is_for_columns_that_take_it() -> None:
    assert put(None, sa.Integer()) is None
    assert put(None, sa.Integer(), nullable=False, server_default="7") is None
    with pytest.raises(Unfit, match="it takes no null"):
        put(None, sa.Integer(), nullable=False)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.just(dt.UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KINDS = [
    sa.Boolean(), sa.Integer(), sa.Numeric(6, 2), sa.Float(), sa.DateTime(), sa.DateTime(timezone=True), sa.Date(), sa.JSON(),
    sa.Uuid(), sa.LargeBinary(), postgresql.ARRAY(sa.Text()), sa.Enum("a", name="e"), sa.String(5), sa.Text(), mysql.TEXT(),
]  # fmt: skip


@given(ANYTHING, st.sampled_from(KINDS), st.sampled_from(["sqlite", "postgresql", "mysql"]))
def test_any_value_fits_or_is_unfit_and_nothing_else_happens(value: Any, kind: Any, dialect: str) -> None:
    try:
        fitted = put(value, kind, dialect)
    except Unfit:
        return
    if isinstance(fitted, str):
        fitted.encode()
        assert "\0" not in fitted
