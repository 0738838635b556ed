"""A value is read by the type of its field, whoever wrote the model."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Annotated, Any, NewType

import pytest
from pydantic import BaseModel
from typing_extensions import TypeAliasType

from gateway import Options, Sink
from gateway.config.document.diagnostics import ConfigError
from gateway.fields import Secret, secret
from tests.config.configs import KEY, Configs, FakeRegistry


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("8", "8"),
        ("007", "007"),
        ("no", "no"),
        ("true", "true"),
        ("1e3", "1e3"),
        ("12:30", "12:30"),
        ("0x1F", "0x1F"),
        ("'x'", "x"),
    ],
)
def test_where_text_is_wanted_the_source_text_is_taken(configs: Configs, line: str, value: str) -> None:
    assert configs.sink(f"text: {line}").text == value


def test_text_is_not_nothing(configs: Configs) -> None:
    assert "found nothing, expected text" in configs.wrong_sink("text:").message
    assert "found a list, expected text" in configs.wrong_sink("text: [a]").message
    assert "found a mapping, expected text" in configs.wrong_sink("text: {a: b}").message


@pytest.mark.parametrize(
    ("line", "value"),
    [("5", 5), ("-5", -5), ("'7'", 7), ("0x0B", 11), ("0o11", 9), ("0777", 777), ("${N}", 3), ("${M:-9}", 9)],
)
def test_where_a_number_is_wanted_a_number_is_read(configs: Configs, line: str, value: int) -> None:
    assert configs.source(f"number: {line}", {"N": "3"}).number == value


@pytest.mark.parametrize(
    "line", ["1_0", "yes", "1.5", "true", "' 1'", "12:30", "１", "''", "${N}", "null", "1e3", "[1]"]
)
def test_what_is_no_whole_number_is_refused(configs: Configs, line: str) -> None:
    assert "a whole number" in configs.wrong_source(f"number: {line}", {"N": "seven"}).expected


@pytest.mark.parametrize(("line", "value"), [("true", True), ("False", False), ("'true'", True), ("${F}", True)])
def test_only_true_and_false_are_truth_values(configs: Configs, line: str, value: bool) -> None:
    assert configs.source(f"flag: {line}", {"F": "true"}).flag is value


@pytest.mark.parametrize("line", ["yes", "on", "1", "0", "y", "t", "''", "TrUe"])
def test_other_words_are_no_truth_values(configs: Configs, line: str) -> None:
    assert configs.wrong_source(f"flag: {line}").expected == "true or false"


@pytest.mark.parametrize(
    ("line", "value"), [("1.5", 1.5), ("2", 2.0), ("1e2", 100.0), ("'0.5'", 0.5), ("0x10", 16.0), (".inf", math.inf)]
)
def test_where_a_real_number_is_wanted_one_is_read(configs: Configs, line: str, value: float) -> None:
    assert configs.source(f"real: {line}").real == value


def test_anything_is_read_by_the_core_rules(configs: Configs) -> None:
    read = configs.source("anything: {a: [1, 1.5, true, no, '1', ~], b: '${X}'}", {"X": "1"}).anything
    assert read == {"a": [1, 1.5, True, "no", "1", None], "b": "1"}


def test_a_union_takes_what_fits_best(configs: Configs) -> None:
    read = configs.source("many: [1, x, '2', '${N}', 1.5]", {"N": "3"})
    assert read.many == [1, "x", "2", "3", "1.5"]


def test_quantities_and_choices_are_read_from_plain_and_quoted_text(configs: Configs) -> None:
    read = configs.sink(
        "size: 2KiB\nrate: '3/m'\ncolour: 7\nlevel: 3\nglobs: 1001\npair: [1, 2]\nflags: {a: true}\nalso-called: 4"
    )
    assert (read.size, str(read.rate), read.colour.value, read.level) == (2048, "3/m", 7, 3)
    assert (read.globs, read.pair, read.flags, read.aliased) == (("1001",), (1, "2"), {"a": True}, 4)
    assert configs.sink("size: 2048\ncolour: red\nlevel: ${L}", {"L": "high"}).level == "high"
    assert configs.source("window: 0").window == timedelta()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("size: big", "a size"), ("rate: often", "a rate"), ("colour: green", "red or 7"), ("level: middle", "low, high or 3"),
        ("size: -1", "a size"), ("pair: [x, y]", "a whole number"), ("pair: 5", "a list"), ("globs: {}", "a list"),
        ("flags: {a: yes}", "true or false"), ("flags: [a]", "a mapping"), ("url: ftp://x", "http"), ("globs: [[a]]", "text"),
        ("on_or_off: maybe", "true or false"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_words(configs: Configs, line: str, expected: str) -> None:
    assert expected in configs.wrong_sink(line).expected


def test_a_validator_that_looks_first_sees_the_text(configs: Configs) -> None:
    assert configs.sink("on_or_off: off").on_or_off is False
    assert configs.sink("on_or_off: false").on_or_off is False


def test_an_optional_number_may_come_out_empty(configs: Configs) -> None:
    assert configs.sink("rate: ${R:-}").rate is None
    assert configs.wrong_sink("rate: ~").found == "nothing"  # written down empty, and perhaps not meant so
    assert "a rate" in configs.wrong_sink("rate: ${R}", {"R": ""}).expected
    assert configs.sink("text: ${R:-}").text == ""
    assert "not empty" in configs.wrong_sink("secret: ${R:-}").expected


def test_a_table_is_read_by_the_branch_it_fits(configs: Configs) -> None:
    assert configs.sink("sign: {scheme: token, token: abc}").sign.token.reveal() == "abc"
    assert configs.sink("sign: {secrets: [abcdefgh]}").sign.secrets[0].reveal() == "abcdefgh"
    problem = configs.wrong_sink("sign: {scheme: token}")
    assert problem.path == "sinks.it.sign.token"
    assert problem.expected == "a value for this key"
    assert "at least 8" in configs.wrong_sink("sign: {scheme: hmac, secrets: [abc]}").expected
    assert configs.wrong_sink("sign: {scheme: hmac, secretz: []}").hint == "did you mean secrets?"
    assert configs.wrong_sink("sign: [a]").path == "sinks.it.sign"


class Called(BaseModel):
    name: str


def test_a_table_that_fits_no_model_of_a_union_is_the_mapping(configs: Configs) -> None:
    class Either(Options):
        either: Called | dict[str, int] | None = None

    assert odd(configs, Either, "either: {name: 007}").either == Called(name="007")
    assert odd(configs, Either, "either: {a: 1, b: 0x10}").either == {"a": 1, "b": 16}


def odd(configs: Configs, options: type[BaseModel], line: str, **more: Any) -> Any:
    """These options as a sink's, with this line."""

    class Odd(Sink):
        type = "fake"
        Options = options

    class Odds(FakeRegistry):
        def sink(self, name: str) -> type[Sink]:
            return Odd

    loaded = configs.load(f"sinks:\n  it:\n    type: fake\n    {line}\n", registry=Odds, **more)
    return loaded.settings.sinks["it"].options


Token = NewType("Token", Secret)
Aliased = TypeAliasType("Aliased", Annotated[Secret, secret(min_length=8)])


def test_a_type_that_was_given_another_name_is_what_it_stands_for(configs: Configs) -> None:
    class Named(Options):
        token: Token | None = None
        key: Aliased | None = None

    for name in ("token", "key"):
        read = odd(configs, Named, f"{name}: 0123456789")
        assert getattr(read, name).reveal() == "0123456789"
        assert "0123" not in repr(read)
    with pytest.raises(ConfigError, match="at least 8") as refused:
        odd(configs, Named, "key: canary")
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("option", ["anything", "window"])
def test_a_value_of_any_kind_may_come_from_a_variable_that_is_not_here(configs: Configs, option: str) -> None:
    assert list(
        configs.load(
            f"sources: {{it: {{type: fake, keys: [{KEY}], {option}: '${{X:?}}'}}}}", placeholders=True
        ).settings.sources
    ) == ["it"]


def test_a_relative_path_of_an_option_is_beside_the_file(configs: Configs) -> None:
    assert configs.sink("folder: here").folder == configs.folder / "here"


def test_an_unknown_key_of_a_lenient_model_is_refused_all_the_same(configs: Configs) -> None:
    problem = configs.problem("sinks:\n  it:\n    type: batching\n    txt: x\n")
    assert (problem.path, problem.line, problem.hint) == ("sinks.it.txt", 4, "did you mean text?")


def test_a_model_that_asks_for_any_key_gets_it(configs: Configs) -> None:
    loaded = configs.load("sinks:\n  it:\n    type: open\n    whatever: [1, no]\n")
    options: Any = loaded.settings.sinks["it"].options
    assert options.whatever == [1, "no"]


def test_an_authors_own_words_are_told_without_the_value_of_a_variable(configs: Configs) -> None:
    assert configs.wrong_source("number: 4").message == "4 is even, and numbers here are odd"
    assert configs.wrong_source("number: ${N}", {"N": "4"}).message == "******** is even, and numbers here are odd"


@pytest.mark.parametrize(
    ("lines", "path", "expected"),
    [
        ("short: abcd", "short", "a text of at most 3 characters"),
        ("short: AB", "short", "a text that matches"),
        ("positive: 0", "positive", "more than 0.0"),
        ("positive: 10", "positive", "less than 10.0"),
        ("positive: 0.3", "positive", "a multiple of 0.5"),
        ("few: [a, b]", "few", "at most 1 entries"),
        ("mixed: {a: x}", "mixed.a", "a whole number"),
        ("mixed: [{x: y}]", "mixed.0.x", "a whole number"),
        ("mixed: [{}]", "mixed.0.x", "a value for this key"),
        ("mixed: [{y: 1, x: 1}]", "mixed.0.y", "one of x"),
        ("mixed: [[x]]", "mixed.0", "a mapping"),
        ("enumerated: [red, 7, green]", "enumerated.2", "red or 7"),
        ("network: 10.0.0.0/99", "network", "IPv4"),
    ],
)
def test_what_pydantic_finds_is_told_in_our_words(configs: Configs, lines: str, path: str, expected: str) -> None:
    problem = configs.wrong_source(lines)
    assert problem.path == f"sources.it.{path}"
    assert expected in problem.expected


def test_what_fits_such_options_is_read(configs: Configs) -> None:
    read = configs.source(
        "short: ab\npositive: 2\nfew: [a]\nmixed: {a: 0x10}\nenumerated: [red, 7]\nnetwork: 10.0.0.0/8"
    )
    assert (read.mixed, {one.value for one in read.enumerated}, str(read.network)) == (
        {"a": 16},
        {"red", 7},
        "10.0.0.0/8",
    )
    assert configs.source("mixed: [{x: 1}]").mixed[0].x == 1
    assert configs.source("mixed: text").mixed == "text"
