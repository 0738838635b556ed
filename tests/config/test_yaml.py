"""YAML is read without its traps, and every refusal has a place."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.document import yaml
from gateway.config.document.diagnostics import ConfigError, Diagnostic
from gateway.config.document.nodes import Items, Scalar, Table, untyped
from gateway.testing.corpus import Case, cases


def refused(text: str | bytes) -> list[Diagnostic]:
    with pytest.raises(ConfigError) as raised:
        yaml.compose(text if isinstance(text, bytes) else text.encode(), "f.yaml")
    return raised.value.problems


def problems(text: str) -> list[Diagnostic]:
    """Whatever is wrong with the text; nothing but a ConfigError may come out."""
    try:
        yaml.compose(text.encode("utf-8", "replace"), "f.yaml")
    except ConfigError as error:
        return error.problems
    return []


def values(text: str) -> Any:
    return untyped(yaml.compose(text.encode(), "f.yaml"))


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{b}: &{b} {{<<: [{', '.join(['*' + a] * 9)}]}}\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "found", "line"),
    [
        ("a: &a [x]\nb: *a", "anchor", 1),
        ("b: *a", "alias", 1),
        ("m: {<<: [{a: 1}]}", "merge key", 1),
        ("x: 1\nstore: x\nstore: y", "a second time", 3),
        ("[" * 5000, "nesting", 1),
        ("a: " + "{a: " * 40 + "}" * 40, "nesting", 1),
        ("a: !!python/name:os.system", "tag", 1),
        ("a: !!str x", "tag", 1),
        ("a: ! x", "tag", 1),
        ("a: 1\n---\nb: 1", "second document", 2),
        ("a: 1\n...\n---\nb: 1", "second document", 3),
        ("a: x\x00y", "character", 1),
        ('a: "x\\0y"', "NUL", 1),
        ("? [a]\n: b", "list or a mapping", 1),
        ("? {a: 1}\n: b", "list or a mapping", 1),
        ("'': 1", "empty or very long", 1),
        (f"{'k' * 300}: 1", "empty or very long", 1),
        ("a: [1\nb: 2", "not YAML", 2),
        ("a: b: c", "not YAML", 1),
        ("a:\n\t- x", "not YAML", 2),
        ("a: @x", "not YAML", 1),
        ("a: {x: ${Y}}", "not YAML", 1),
        ("a: %x\n%y", "not YAML", 1),
        (BOMB, "anchor", 1),
        (MERGES, "anchor", 1),
    ],
)
def test_a_trap_is_refused_within_a_second_of_cpu_time_with_its_line(text: str, found: str, line: int) -> None:
    began = time.process_time()
    first = refused(text)[0]
    assert time.process_time() - began < 1
    assert found in first.message
    assert (first.file, first.line) == ("f.yaml", line)
    assert first.column >= 1


def test_everything_wrong_with_the_yaml_is_said_at_once() -> None:
    assert [problem.line for problem in refused("a: &x 1\nb: !t 2\nb: 3\nc: *x\n<<: {}")] == [1, 2, 3, 4, 5]


def test_hints_say_what_to_write_instead() -> None:
    assert "quotes around a ${" in refused("a: [${Y}]")[0].hint
    assert "spaces" in refused("a:\n\tb: 1")[0].hint
    assert "quotes" in refused("a: b: c")[0].hint
    assert "line 1" in refused("a: 1\na: 2")[0].hint
    assert "line 2 has none" in refused("a:\n  type:console\n  b: 1")[0].hint


@pytest.mark.parametrize("source", ["a: 1".encode("utf-16"), b"a: \xff", b"x: 1\na: \xc0\xaf"])
def test_only_utf_8_is_read(source: bytes) -> None:
    assert "UTF-8" in refused(source)[0].message


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert values("\ufeffa: 1") == {"a": 1}


def test_a_file_over_a_mebibyte_is_refused() -> None:
    assert "1 MiB" in refused(b"#" * (1024 * 1024 + 1))[0].message


def test_a_hundred_thousand_mistakes_end_soon() -> None:
    began = time.process_time()
    assert 100 <= len(refused("[" + "*a, " * 100_000 + "]")) <= 110
    assert time.process_time() - began < 1


def test_a_large_honest_file_is_read() -> None:
    assert len(values("a:\n" + "- x\n" * 20_000)["a"]) == 20_000


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null", "~"])
def test_an_empty_document_is_an_empty_table(text: str) -> None:
    assert values(text) == {}


def test_every_node_knows_its_place() -> None:
    root = yaml.compose(b"a:\n  - x: 1\n  - [y,\n     z]\n", "f.yaml")
    assert isinstance(root, Table)
    items = root.entries["a"]
    assert isinstance(items, Items)
    inner = items.items[1]
    assert isinstance(inner, Items)
    z = inner.items[1]
    assert (z.path, z.line, z.column) == ("a.1.1", 4, 6)
    assert root.keys == {"a": (1, 1)}
    assert "z" not in repr(z)  # because a scalar may be a secret


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("True", True), ("FALSE", False), ("yes", "yes"), ("no", "no"), ("on", "on"), ("y", "y"),
        ("null", None), ("~", None), ("", None), ("Null", None), ("nULL", "nULL"),
        ("0777", 777), ("010", 10), ("0o17", 15), ("0xfF", 255), ("+5", 5), ("-5", -5), ("1_000", "1_000"), ("0b1", "0b1"),
        ("12:30", "12:30"), ("22:22:22", "22:22:22"), ("1e3", 1000.0), ("1.", 1.0), (".5", 0.5), ("-1.5E-3", -0.0015),
        ("1e999", float("inf")), (".inf", float("inf")), ("-.INF", float("-inf")), ("2020-01-01", "2020-01-01"),
        ("2020-13-45", "2020-13-45"), ("1.2.3", "1.2.3"), ("=", "="), ("'5'", "5"), ('"true"', "true"), ('""', ""),
        ("|\n  x\n", "x\n"), ("１", "１"),
    ],
)  # fmt: skip
def test_scalars_follow_the_core_rules_of_yaml_1_2(text: str, value: object) -> None:
    found = values(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_read_as_such() -> None:
    assert values("a: .nan")["a"] != values("a: .nan")["a"]


@pytest.mark.parametrize("case", cases("yaml"), ids=str)
def test_the_hostile_corpus_ends_in_located_problems_or_plain_text(case: Case) -> None:
    began = time.process_time()
    assert all(problem.line for problem in problems(case.value))
    assert time.process_time() - began < 1


@given(st.text() | st.text(alphabet="ab:- \n\t[]{}#&*!|>'\"%@`,?0$<"))
def test_no_text_raises_anything_but_located_problems(text: str) -> None:
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems(text))


LETTERS = st.characters(categories=["L"])
_plain = st.recursive(
    st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc")), max_size=8),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(st.text(alphabet=LETTERS, min_size=1, max_size=8), inside, max_size=3)
    ),
    max_leaves=12,
)


@given(_plain.filter(lambda value: isinstance(value, dict)))
def test_what_a_yaml_writer_wrote_is_what_is_read(value: object) -> None:
    written = pyyaml.safe_dump(value, default_style='"', allow_unicode=True)
    assert values(written.replace("&id", "")) == value


def test_without_libyaml_the_same_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "_LOADER", pyyaml.SafeLoader)
    assert values("a: [1, {b: 'x'}]") == {"a": [1, {"b": "x"}]}
    for text in ("a: &a 1", "[" * 5000, "a: 1\na: 2", "a: x\x00", 'a: "\\ud800"', "a: [", "%YAML 3.0\n--- a"):
        problem = refused(text)[0]
        assert problem.line >= 1


def test_a_scalar_says_how_it_was_written() -> None:
    root = yaml.compose(b"a: x\nb: 'x'\nc: |\n  x\n", "f.yaml")
    assert isinstance(root, Table)
    scalars = [node for node in root.entries.values() if isinstance(node, Scalar)]
    assert [scalar.quoted for scalar in scalars] == [False, True, True]
