"""How a vendor's fields are read: nested ones too, with what cannot be read kept and named by its path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.sources.common.built_event import contents, format_of, is_web, named_by, stored
from plugins.sources.common.fields import Reading, moment_of


def test_what_is_nested_is_read_and_what_is_left_of_it_stays_where_it_was() -> None:
    reading = Reading(
        {
            "a": {"b": {"text": 5, "kept": 1, "token": "s"}, "gone": "x"},
            "list": [{"n": "y"}, {"n": 2, "more": [{"password": "s", "ok": 1}]}],
            "empty": {"n": "1"},
        }
    )
    inner = reading.inside("a").inside("b")
    assert inner.text("text") is None
    assert reading.problems == ["a.b.text"]
    assert [one.whole("n") for one in reading.entries("list")] == [None, 2]
    assert reading.inside("empty").whole("n") == 1
    assert reading.problems == ["a.b.text", "list[0].n"]
    assert reading.extra() == {
        "a": {"gone": "x", "b": {"text": 5, "kept": 1}},
        "list": [{"n": "y"}, {"more": [{"ok": 1}]}],
    }


def test_what_should_be_nested_and_is_not_is_a_problem() -> None:
    reading = Reading({"object": [1], "list": {"a": 1}, "mixed": [{}, 1], "null": None})
    assert reading.inside("object").text("x") is None
    assert list(reading.entries("list")) == list(reading.entries("mixed")) == []
    assert reading.inside("null").text("x") is reading.inside("absent").text("x") is None
    assert list(reading.entries("null")) == list(reading.entries("absent")) == []
    assert reading.problems == ["object", "list", "mixed"]
    assert reading.extra() == {"object": [1], "list": {"a": 1}, "mixed": [{}, 1]}


def test_a_label_is_a_text_or_a_number_and_nothing_else() -> None:
    reading = Reading({"a": "x", "b": 5, "c": 1.5, "d": True, "e": ""})
    assert [reading.label(name) for name in "abcdef"] == ["x", "5", None, None, None, None]
    assert reading.problems == ["c", "d"]


def test_texts_of_a_list_are_joined() -> None:
    reading = Reading({"a": ["x", "y"], "b": "z", "c": ["x", 1], "d": []})
    assert [reading.joined(name) for name in "abcd"] == ["x y", "z", None, None]
    assert reading.problems == ["c"]


def test_a_flag_is_true_or_it_is_not() -> None:
    reading = Reading({"a": True, "b": 1, "c": "true"})
    assert [reading.flag(name) for name in "abcd"] == [True, False, False, False]


@pytest.mark.parametrize(
    ("value", "over", "expected"),
    [
        (0, 1, None),
        ("0", 1, None),
        (1700000000, 1, "2023-11-14T22:13:20"),
        ("1700000000.25", 1, "2023-11-14T22:13:20.250000"),
        (1700000000123, 1000, "2023-11-14T22:13:20.123000"),
        ("1700000000123456789", 10**9, "2023-11-14T22:13:20.123456"),
    ],
)
def test_a_moment_counts_from_1970(value: object, over: int, expected: str | None) -> None:
    reading = Reading({"at": value})
    at = None if expected is None else datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert reading.moment("at", over=over) == at
    assert reading.problems == []


@pytest.mark.parametrize("value", [False, True, -1, "soon", [], {}, 10**18, 1e300, "1e9", " 1"])
def test_a_moment_that_is_none_is_a_problem(value: object) -> None:
    reading = Reading({"at": value})
    assert reading.moment("at") is None
    assert (reading.problems, reading.extra()) == (["at"], {"at": value})


@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))
def test_whole_nanoseconds_are_exact_to_the_microsecond(at: datetime) -> None:
    nanoseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    if nanoseconds < 10**19:  # what 19 digits hold
        assert moment_of(str(nanoseconds), 10**9) == moment_of(nanoseconds, 10**9) == at


def test_durations_come_in_the_vendors_units() -> None:
    reading = Reading({"minutes": 7, "ns": "120000000000", "ms": 61500, "far": 10**9})
    assert reading.seconds("minutes", times=60) == 420.0
    assert reading.seconds("ns", over=10**9) == 120.0
    assert reading.seconds("ms", over=1000) == 61.5
    assert reading.seconds("far", times=60) is None
    assert reading.problems == ["far"]


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a/b.m3u8", "hls"),
        ("https://x.example.com/a.MP4?sig=1.flv", "mp4"),
        ("x.ts", "hls"),
        ("x.mpd", "dash"),
        ("x", None),
        ("x.", None),
        ("x.toolong", None),
        ("x.m p", None),
        ("http://[x/a.mp4", None),
        (None, None),
        ("", None),
    ],
)
def test_the_format_is_told_by_a_files_name(name: str | None, format: str | None) -> None:
    assert format_of(name) == format


def test_what_has_no_name_is_named_by_all_it_says() -> None:
    assert contents({"a": 1, "b": 2}) == contents({"b": 2, "a": 1}) != contents({"a": 1})
    assert contents({"a": 1, "t": 2}, ("t",)) == contents({"a": 1})
    assert named_by({"id": "1", "x": 2}, "id", "other") == ["1", None]
    assert named_by({"id": "", "x": 2}, "id", "other") == [contents({"id": "", "x": 2})]


def test_an_address_is_for_browsers_and_nothing_is_stored_nowhere() -> None:
    assert is_web("https://x")
    assert is_web("http://x")
    assert not is_web("s3://x")
    assert not is_web(None)
    assert stored() is None
    assert stored(key="x") is not None
