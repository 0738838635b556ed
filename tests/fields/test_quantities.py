"""Durations, sizes, rates and the texts that options are made of."""

from __future__ import annotations

from datetime import timedelta
from fnmatch import translate
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from gateway.fields import (
    ConfigPath,
    Duration,
    Glob,
    Globs,
    Rate,
    Size,
    Url,
    between,
    format_duration,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)


def read(kind: Any, value: object, **context: Any) -> Any:
    return TypeAdapter(kind).validate_python(value, context=context)


def refused(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as raised:
        read(kind, value)
    return raised.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("1h", 3_600_000), ("3d", 259_200_000), ("1h30m", 5_400_000),
     ("0", 0), ("0s", 0), ("1d1ms", 86_400_001), ("90m", 5_400_000), (" 5s ", 5000)],
)  # fmt: skip
def test_durations_are_read_with_their_units(text: str, milliseconds: int) -> None:
    assert read(Duration, text) == timedelta(milliseconds=milliseconds)


@pytest.mark.parametrize(
    "value",
    ["", "10", "s", "-1s", "1.5s", "1s1m", "1 s", "１s", "5M", "1h 30m", "P1D", "9999d", 10, True, None, [], "1s1s"],
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    assert "duration" in refused(Duration, value)


@given(st.timedeltas(timedelta(), timedelta(days=3000)))
def test_durations_round_trip_to_the_millisecond(value: timedelta) -> None:
    exact = value - value % timedelta(milliseconds=1)
    assert parse_duration(format_duration(value)) == exact


def test_a_bare_nought_and_a_timedelta_are_durations_too() -> None:
    assert read(Duration, 0) == timedelta()
    assert read(Duration, timedelta(seconds=3)) == timedelta(seconds=3)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024", 1024),
        ("256KiB", 262_144),
        ("1MB", 10**6),
        ("2 GiB", 2**31),
        ("0", 0),
        ("5b", 5),
        ("1tib", 2**40),
        (7, 7),
    ],
)
def test_sizes_are_read_with_their_units(text: object, size: int) -> None:
    assert read(Size, text) == size


@pytest.mark.parametrize(
    "value", ["", "1.5MB", "-1", "KiB", "1KBB", "1 M", "1e3", "９", True, None, -1, 2.0, "9" * 19, "99999999TiB"]
)
def test_what_is_no_size_is_refused(value: object) -> None:
    assert "size" in refused(Size, value)


@given(st.integers(0, 2**62))
def test_sizes_round_trip(size: int) -> None:
    assert parse_size(format_size(size)) == size


@pytest.mark.parametrize(
    ("text", "count", "seconds"),
    [("20/m", 20, 60), ("5/s", 5, 1), ("100/h", 100, 3600), ("9/d", 9, 86400), ("5/20s", 5, 20), ("1/90m", 1, 5400)],
)
def test_rates_are_a_count_in_a_time(text: str, count: int, seconds: int) -> None:
    rate = read(Rate, text)
    assert (rate.count, rate.seconds, str(rate)) == (count, seconds, text)
    assert read(Rate, rate) is rate
    assert parse_rate(str(rate)) == rate


@pytest.mark.parametrize(
    "value", ["", "20", "0/s", "1/w", "-1/s", "1.5/s", 5, None, "1/0s", "1/02s", "1/12345s", "1/2"]
)
def test_what_is_no_rate_is_refused(value: object) -> None:
    assert "rate" in refused(Rate, value)


def test_bounds_are_told_in_the_words_of_the_type() -> None:
    assert refused(Annotated[Duration, between("1s", "1h")], "90m") == "at most 1h"
    assert refused(Annotated[Size, between(1024, 2**20)], "1") == "at least 1KiB"
    assert read(Annotated[Duration, between("1s", "1h")], "1h") == timedelta(hours=1)


def test_one_glob_stands_for_a_list_of_one() -> None:
    assert read(Globs, "vip-*") == ("vip-*",)
    assert read(Globs, ["a", "b"]) == ("a", "b")
    assert refused(Globs, ["a", 5])


@pytest.mark.parametrize("text", ["", "x" * 257])
def test_a_glob_is_bounded(text: str) -> None:
    assert "256" in refused(Glob, text)


@pytest.mark.parametrize("text", ["[a", "vip-[", "[]", "[!]", "[!", "a[]b", "[abc][de", "[[][", "[]-"])
def test_a_bracket_that_is_never_closed_is_refused(text: str) -> None:
    assert "[[]" in refused(Glob, text)  # because fnmatch would silently take it for the letter [


@pytest.mark.parametrize("text", ["[z-a]", "x[9-0]*", "[a][b-a]"])
def test_a_class_that_no_letter_fits_is_refused(text: str) -> None:
    assert "upwards" in refused(Glob, text)


def _is_closed(text: str) -> bool:
    """As fnmatch reads it: a ] that comes first in a class is one of its letters."""
    at = text.find("[")
    while at >= 0:
        first = at + 1 + text[at + 1 :].startswith("!")
        end = text.find("]", first + text[first:].startswith("]"))
        if end < 0:
            return False
        at = text.find("[", end)
    return True


@given(st.text(alphabet="[]!-abz*?(^", min_size=1, max_size=9))
@example("[(?!)]")
@example("[!z-a]")
def test_a_glob_is_taken_when_its_brackets_are_closed_and_something_fits(text: str) -> None:
    good = _is_closed(text) and "(?!)" not in translate(text.replace("(", ""))
    try:
        assert read(Glob, text) == text
    except ValidationError:
        assert not good
    else:
        assert good


@pytest.mark.parametrize(
    "text", ["http://a", "https://a.example:8443/x?y=z#f", "HTTP://[::1]:1/", "http://例え.example/"]
)
def test_urls_of_the_web_are_taken_as_they_stand(text: str) -> None:
    assert read(Url, text) == text


@pytest.mark.parametrize(
    "text",
    ["", "a.example", "ftp://a", "file:///etc/passwd", "http://", "http:///x", "http://a:0/", "http://a:99999/", "http://a b/",
     "http://a\n/", "http://u:p@a/", "http://evil\\@b/", "http://[x/", "javascript:alert(1)", "http://a\x00/"],
)  # fmt: skip
def test_other_urls_are_refused_without_repeating_them(text: str) -> None:
    said = refused(Url, text)
    assert "URL" in said
    assert text in {"", "http://"} or text not in said


def test_a_relative_path_is_beside_the_configuration() -> None:
    assert read(ConfigPath, "x/y", base=Path("/etc/gateway")) == Path("/etc/gateway/x/y")
    assert read(ConfigPath, "/x", base=Path("/etc/gateway")) == Path("/x")
    assert read(ConfigPath, "x") == Path("x")
    assert refused(ConfigPath, "a\x00b")
