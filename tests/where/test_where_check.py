"""What `check` says of an expression before it meets a live event."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.where import check_where, checked, compile_where
from gateway.where import sample_check as check_module
from gateway.where.sample_check import check_key


def check(text: str, *types: str):
    return check_where(compile_where(text), types=types or ("*",))


@pytest.mark.parametrize(
    "text",
    [
        "event.data.files.exists(f, has(f.duration_seconds) && f.duration_seconds > 60.0)",
        "has(event.data.extra.anything) && event.data.extra.anything == 1",
        "has(event.data.error) && has(event.data.error.code) && event.data.error.code == 'x'",
        "event.data.provider == 'sample'",
        "event.trust in ['fields', 'body']",
        "event.source == '/sources/live'",
        "[1, 2].map(x, x > 1, x).size() == 1",
        "type(event.data.provider) == string",
        "event.data.files.all(f, has(f.size_bytes) && f.size_bytes > 0)",
        "event.data.files.exists(f, has(f.format) && f.format.startsWith('h'))",
        "has(event.data.stream) && event.data.stream.matches('^vip-[0-9]+$')",
        "event.data.extra == {} || event.data.extra.size() > 0",
    ],
)
def test_a_good_expression_has_nothing_against_it(text: str) -> None:
    assert check(text) == ([], [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("evnt.type == 'x'", "column 1: there is no name 'evnt'; did you mean 'event'?"),
        ("stream == 'x'", "column 1: there is no name 'stream'; did you mean event.data.stream?"),
        ("event.stream == 'x'", "column 7: there is no field 'stream'; did you mean event.data.stream?"),
        ("event.data.strem == 'x'", "column 12: there is no field 'strem'; did you mean 'stream'?"),
        ("event.data.duration_seconds > 1", "did you mean event.data.files[0].duration_seconds?"),
        ("has(event.data.strem)", "there is no field 'strem'"),
        ("has(event.data.files[0].durration_seconds)", "did you mean 'duration_seconds'?"),
        ("event.data.files.exists(f, f.size > 1)", "did you mean 'size_bytes'?"),
        ("event.data.files.filter(f, true).exists(g, g.storage.buckett == 'x')", "did you mean 'bucket'?"),
        ("event.data.files.map(f, f.storage).exists(s, s.bukket == 'x')", "did you mean 'bucket'?"),
        ("event['data']['strem'] == 'x'", "did you mean 'stream'?"),
        ("event.data.error.kode == 'x'", "did you mean 'code'?"),
        ("event.data.verified.sheme == 'x'", "did you mean 'scheme'?"),
        ("event.data.files.size > 1", "'size' is not a field here: the value before it is a list"),
        ("event.type.x == 1", "'x' is not a field here: the value before it is a single value"),
        ("event.data.stream.lower() == 'x'", "there is no function 'lower'"),
        ("event.data.stream.startswith('x')", "did you mean 'startsWith'?"),
        ("sizes(event.data.files) > 0", "did you mean 'size'?"),
        ("event.data.files.exists(f, g.format == 'x')", "there is no name 'g'"),
        ("event.data.files.exists(f) || f.format == 'x'", "takes a name and a condition"),
        ("event.data.files.all()", "takes a name and a condition"),
        ("event.data.files.all(f, true, true)", "takes a name and a condition"),
        ("true ? event.data.nope : false", "there is no field 'nope'"),
        ("{'a': event.data.nope}.a == 1", "there is no field 'nope'"),
        ("event.data.files[event.data.nope].format == 'x'", "there is no field 'nope'"),
        ("!event.data.nope", "there is no field 'nope'"),
    ],
)
def test_an_unknown_name_or_field_is_an_error_with_a_near_miss(text: str, said: str) -> None:
    errors, _ = check(text)
    assert len(errors) >= 1
    assert said in errors[0]


def test_all_unknown_names_are_said_at_once() -> None:
    assert len(check("event.data.a == 1 && event.data.b == 2").errors) == 2


@pytest.mark.parametrize(
    ("text", "what"), [('"x"', "a text"), ("1 + 1", "a number"), ("event.data.files", "a list"), ("null", "null")]
)
def test_an_answer_that_is_no_true_or_false_is_an_error(text: str, what: str) -> None:
    assert check(text).errors == [f"the expression says {what}, and only true or false is an answer"]


def test_an_expression_that_never_works_is_an_error() -> None:
    (error,) = check("1/0 == 1").errors
    assert error.startswith("it fails on every sample event: ZeroDivisionError")


def test_a_field_of_the_vendors_own_that_is_not_guarded_is_a_warning_and_no_error() -> None:
    errors, warnings = check("event.data.extra.region == 'north'")
    assert errors == []
    assert warnings == [
        "it fails on every event of any type (no such field: region), which is then no match: "
        "guard it with has(), or narrow `match`"
    ]


def test_an_expression_that_fails_on_some_types_is_a_warning_that_suggests_has() -> None:
    errors, warnings = check("event.data.error.code == 'x'")
    assert errors == []
    assert len(warnings) == 1
    assert "has()" in warnings[0]
    assert "recording.started" in warnings[0]
    assert "recording.failed," not in warnings[0]


def test_only_the_types_that_match_lets_through_are_tried() -> None:
    errors, warnings = check("event.data.error.code == 'x'", "recording.failed")
    assert errors == []
    assert warnings == [
        "it fails on a sparse event of any type (no such field: error), which is then no match: "
        "guard it with has(), or narrow `match`"
    ]
    assert check("event.data.error.code == 'x'", "recording.started").errors != []


def test_types_that_no_event_has_are_tried_as_all() -> None:
    assert check("1/0 == 1", "nothing").errors != []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("event.source == 'live'", 'it is the URI "/sources/live"'),
        ("'live' != event.source", 'it is the URI "/sources/live"'),
        ("event.type in ['recording.failed', 'recording.fialed']", "did you mean 'recording.failed'?"),
        ("event.trust == 'full'", "event.trust is never 'full'"),
    ],
)
def test_a_comparison_that_can_never_hold_is_a_warning(text: str, said: str) -> None:
    errors, warnings = check(text)
    assert errors == []
    assert len(warnings) == 1
    assert said in warnings[0]


def test_a_pattern_compiled_for_every_file_is_an_error_that_says_what_to_use() -> None:
    (error,) = check(r"event.data.files.exists(f, has(f.play_url) && f.play_url.matches('\\w{50}'))").errors
    assert "over 20 ms" in error
    assert "endsWith()" in error


def test_a_slow_machine_refuses_no_expression_for_what_every_one_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    where = compile_where("event.data.provider == 'live'")
    prepare = where.prepare

    def slowly(document: Mapping[str, Any]) -> Any:
        until = time.thread_time() + 0.025
        while time.thread_time() < until:
            pass
        return prepare(document)

    monkeypatch.setattr(where, "prepare", slowly)
    assert check_where(where, types=("recording.file.completed",)).errors == []


def test_one_that_passed_is_tried_once_in_a_process_and_one_that_did_not_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(
        check_module, "check_where", lambda where, types: tried.append(where.text) or check_where(where)
    )
    good, bad = "event.data.provider == 'once'", "event.data.provider"
    for _ in range(3):
        assert checked(good, ["*"]).errors == []
        assert checked(bad, ["*"]).errors != []
    assert tried == [good, bad, bad, bad]
    checked(good, ["recording.failed"])
    assert tried[4:] == [good]


def test_of_very_many_that_passed_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "_passed", {})
    monkeypatch.setattr(check_module, "PASSED_MAX", 2)
    for number in range(5):
        assert checked(f"event.data.provider == '{number}'", ["recording.failed"]).errors == []
    assert len(check_module._passed) <= 2


@pytest.mark.parametrize(
    ("text", "said"),
    [("event.data.files[7].format", "it fails on every sample event"), ("event.data.files", "the key is")],
)
def test_a_key_that_names_nothing_ever_is_an_error(text: str, said: str) -> None:
    [error] = check_key(compile_where(text)).errors
    assert error.startswith(said)


def test_a_slow_pattern_is_found_where_no_sample_reaches_it() -> None:
    text = r"event.data.provider == 'never' && event.data.files.exists(f, f.play_url.matches('\\w{50}'))"
    assert "over 20 ms" in check(text).errors[0]


def test_an_expression_that_makes_much_out_of_little_is_too_slow() -> None:
    text = "event.data.files.map(f, event.data.files + event.data.files).exists(x, x == event.data.files)"
    assert "over 20 ms" in check(text).errors[-1]


@pytest.mark.parametrize("pattern", ["(", "((a{90}){90}){90}"])
def test_a_pattern_that_cannot_be_used_is_an_error_even_where_no_sample_reaches_it(pattern: str) -> None:
    (error,) = check(f"event.data.provider == 'never' && event.data.provider.matches('{pattern}')").errors
    assert "is not a pattern that can be used" in error
