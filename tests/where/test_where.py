"""The expression of a route: what it may be, what it sees, and what it answers."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.events.samples import largest, sample
from gateway.model import EVENT_TYPES, File, Storage
from gateway.where import WhereError, WhereFailed, compile_where, present
from gateway.where.syntax import NESTING_MAX, OPERATORS_MAX, SELECTORS_MAX, parse

COMPLETED = sample("recording.file.completed", stream="vip-1")


def says(text: str, event=COMPLETED) -> bool:
    return compile_where(text).matches(present(event))


def test_the_example_of_the_documentation_holds() -> None:
    where = "event.data.files.exists(f, has(f.duration_seconds) && f.duration_seconds > 60.0)"
    assert says(where)
    assert not says(where, sample("recording.file.completed", files=[{"duration_seconds": 59}]))


@pytest.mark.parametrize(
    "text",
    [
        "event.type == 'recording.file.completed'",
        'event["data"]["stream"].startsWith("vip-")',
        "event.source == '/sources/live'",
        "event.data.files.size() == 1 && size(event.data.files) == 1",
        "event.data.files[0].size_bytes > 1000 || false",
        "event.data.files.all(f, f.format in ['hls', 'mp4'])",
        "event.data.files.map(f, f.width).exists(w, w >= 1280)",
        "event.data.files.filter(f, f.height == 720).size() == 1",
        "event.data.files.exists_one(f, f.storage.bucket == 'recordings')",
        "timestamp(event.time) > timestamp('2020-01-01T00:00:00Z')",
        "timestamp(event.data.files[0].ended_at) - timestamp(event.data.files[0].started_at) > duration('1m')",
        "event.data.stream.matches('^vip-[0-9]+$')",
        "!has(event.data.error)",
        "!has(event.data.extra.anything)",
        "event.data.problems.size() == 0",
        "event.trust == 'fields' ? true : false",
        "-1 < 0 && !false && --1 == 1",
        "// a comment\ntrue",
        r"r'\d' != '\\d' || true",
        "'''a\nb''' == 'a\\nb'",
        "{'a': 1}.a == 1 && [1, 2,] == [1, 2]",
        "event.data.files.exists(f, f.duration_seconds > 60)",
    ],
)
def test_expressions_that_hold_for_a_finished_file(text: str) -> None:
    assert says(text)


@pytest.mark.parametrize("text", ['"x"', "1", "null", "[true]", "{}", "event", "1.5", "false"])
def test_only_true_matches(text: str) -> None:
    assert not says(text)


@pytest.mark.parametrize(
    "text", ["event.data.nope > 1", "1/0 == 1", "nope", "event.data.files[9].format == 'x'", "1 + 'a' == 2"]
)
def test_what_cannot_be_evaluated_fails_with_a_short_reason(text: str) -> None:
    with pytest.raises(WhereFailed) as failed:
        says(text)
    assert 0 < len(str(failed.value)) <= 250
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("text", "column", "detail"),
    [
        ("1 +", 4, "found the end, expected a value"),
        ("event.data.stream =! 'x'", 19, "'=' has no meaning here"),
        ("event.data.stream == 'x", 22, "never closed"),
        ("(true", 6, "found the end, expected ')'"),
        ("true false", 6, "found 'false', expected the end"),
        ("event.'x'", 7, "expected a name after the dot"),
        ("event.in", 7, "expected a name after the dot"),
        ("true ? 1", 9, "expected ':'"),
        ("{1}", 3, "expected ':'"),
        ("event.data.stream # x", 19, "'#' has no meaning here"),
    ],
)
def test_a_mistake_is_named_with_its_column(text: str, column: int, detail: str) -> None:
    with pytest.raises(WhereError) as wrong:
        compile_where(text)
    assert wrong.value.column == column
    assert detail in str(wrong.value)
    assert str(wrong.value).startswith(f"column {column}: ")


@pytest.mark.parametrize(
    "text", ["", "  \n ", "has(1)", "event.data.files.exists(f.x, true)", "'\\q' == 'x'", "for == 1", "1 2"]
)
def test_other_mistakes_are_errors_too(text: str) -> None:
    with pytest.raises(WhereError):
        compile_where(text)


# The bounds that docs/routing.md names, and the hostile corpus.


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("event.data.files.all(a, event.data.files.all(b, a.size_bytes >= b.size_bytes))", "all() inside another"),
        ("event.data.files.map(a, has(a.format) && [a].exists(b, true))", "exists() inside another"),
        ("event.data.files.all(a, size(event.data.files.filter(b, true)) > 0)", "filter() inside another"),
        # A raw text ends at its quote even after a backslash: nothing may hide behind it.
        (
            r"r'\' == 'x' || event.data.files.all(a, event.data.files.all(b, true)) || r'\' == 'x'",
            "all() inside another",
        ),
        ("(" * 500 + "true" + ")" * 500, "nested over"),
        ("true" + " " * 2100, "over 2048 bytes"),
        ("'" + "中" * 700 + "' == 'x'", "over 2048 bytes"),
        ("event.data.stream.matches(event.data.app)", "written out as text"),
        ("event.data.stream.matches('a' + 'b')", "written out as text"),
        ("event.data.stream.matches()", "written out as text"),
        (f"event.data.stream.matches('{'a' * 129}')", "over 128 characters"),
        ("1" + "+1" * (OPERATORS_MAX + 1) + " == 1", "operators"),
        ("!" * (OPERATORS_MAX + 1) + "true", "operators"),
        ("true ? 1 : " * 30 + "1", "nested over"),
        ("event" + ".a" * (SELECTORS_MAX + 1), "selectors in a row"),
        ("[" * 25 + "]" * 25, "nested over"),
    ],
)
def test_what_could_cost_without_bound_is_refused(text: str, detail: str) -> None:
    with pytest.raises(WhereError, match=detail.replace("(", r"\(").replace(")", r"\)")):
        compile_where(text)


def test_two_macros_one_after_another_are_allowed() -> None:
    assert says(
        "event.data.files.filter(f, f.width > 1).exists(f, f.height > 1) && event.data.files.all(f, has(f.format))"
    )


def test_the_deepest_allowed_expressions_do_not_overflow_a_small_stack() -> None:
    deep = NESTING_MAX - 1
    texts = [
        "(" * deep + "1" + "+1" * OPERATORS_MAX + ")" * deep + " > 0",
        "[" * deep + "1" + "]" * deep + " != []",
        "1+(" * deep + "1" + ")" * deep + " > 0",
        "event" + "['data']" * (SELECTORS_MAX - 1) + " == 1",
        "true && " * (OPERATORS_MAX - 1) + "true",
        "{1:" * deep + "1" + "}" * deep + " != {}",
    ]
    program = f"""
        import threading
        from gateway.where import WhereError, WhereFailed, compile_where
        def run():
            for text in {texts!r}:
                try:
                    compile_where(text).matches({{"data": 1}})
                except (WhereFailed, WhereError) as problem:
                    print(text[:30], problem)
            print("alive")
        threading.stack_size(512 * 1024)
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("alive\n"), (done.returncode, done.stdout, done.stderr)


_LEAVES = st.sampled_from(
    [
        "event.data.stream",
        "event.type",
        "1",
        "2.5",
        "'x'",
        'r"a"',
        "true",
        "null",
        "event.data.files",
        "f",
        "has(event.a)",
        "[1]",
        "{'a': 1}",
        "x.size()",
    ]
)


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from(["&&", "||", "==", "<", ">=", "+", "-", "*", "%", " in "])
    return st.one_of(
        st.tuples(inner, operator, inner).map("".join),
        inner.map("({})".format),
        inner.map("!{}".format),
        inner.map("[{}, 1]".format),
        inner.map("event.data.files[{}]".format),
        st.tuples(inner, inner, inner).map(
            "{0[0]} ? ({0[1]}) : {0[2]}".format
        ),  # bare, the middle one may be no conditional
        inner.map("({}).field.startsWith('a')".format),
    )


@given(st.recursive(_LEAVES, _grow, max_leaves=8))
def test_every_expression_that_the_language_allows_is_understood(text: str) -> None:
    from gateway.runtime.lean_imports import import_cel

    import_cel().compile(text)
    assert parse(text)


@given(st.text("event.data['\"]()&|=!<>+-*/?:,{}[] rb\\\n01f", max_size=30))
def test_no_text_does_anything_but_compile_or_be_refused(text: str) -> None:
    try:
        where = compile_where(text)
    except WhereError:
        return
    assert where.text == text


# What an expression sees.


def test_what_is_absent_is_absent() -> None:
    document: Any = present(sample("recording.started", format=None))
    assert "format" not in document["data"]
    assert "error" not in document["data"]
    assert "time" not in document


def test_an_empty_list_and_an_empty_extra_are_there() -> None:
    document: Any = present(sample("recording.started"))
    assert (document["data"]["files"], document["data"]["problems"], document["data"]["extra"]) == ([], [], {})
    assert not says("event.data.files.exists(f, true)", sample("recording.started"))


def test_an_object_of_nothing_is_absent_and_a_file_of_nothing_is_there() -> None:
    event = sample("recording.file.completed", files=[File(storage=Storage()), File(storage=Storage(bucket="b"))])
    document: Any = present(event)
    assert document["data"]["files"] == [{}, {"storage": {"bucket": "b"}}]


@pytest.mark.parametrize("type", EVENT_TYPES)
@pytest.mark.parametrize("full", [True, False])
def test_nothing_that_an_expression_sees_is_null(type: str, full: bool) -> None:
    assert "None" not in repr(present(sample(type, full=full)))


def test_no_list_has_more_than_200_elements() -> None:
    event = sample(
        "recording.file.completed", files=[File()] * 300, extra={"list": list(range(300)), "deep": {"l": [[0] * 300]}}
    )
    data: Any = present(event)["data"]
    assert len(data["files"]) == len(data["extra"]["list"]) == len(data["extra"]["deep"]["l"][0]) == 200


def test_the_event_itself_is_not_changed_by_looking_at_it() -> None:
    event = sample("recording.failed", extra={"a": None, "b": [None]})
    present(event)
    assert event.extra == {"a": None, "b": [None]}


def test_a_value_the_language_cannot_hold_is_a_failure() -> None:
    with pytest.raises(WhereFailed, match="Failed to convert"):
        says("true", sample("recording.failed", extra={"n": "\ud800"}))


def test_the_slowest_kind_of_allowed_expression_is_quick_on_the_largest_event() -> None:
    import time

    where = compile_where("event.data.files.all(f, f.size_bytes >= 0 && f.play_url.contains('x') && f.asset_id != 'y')")
    document: Any = present(largest("recording.file.completed"))
    spent = []
    for _ in range(5):
        began = time.thread_time()
        assert where.matches(document)
        spent.append(time.thread_time() - began)
    assert min(spent) < 0.025


def test_a_where_shows_its_text() -> None:
    assert repr(compile_where("true")) == "Where('true')"
