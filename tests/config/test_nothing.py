"""What a person writes down empty is not everything: it is a mistake, whichever option of whichever section or plugin."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config.annotations import unwrapped
from gateway.config.document.diagnostics import ConfigError
from gateway.config.document.nodes import Scalar, Table
from gateway.config.grammar import settings as grammar
from gateway.config.load import load, refuse_to_serve
from gateway.config.validation import Validation
from gateway.plugin.registry import Registry
from tests.config.configs import KEY, Configs

SECTIONS = (
    *(grammar.ServerSettings, grammar.AdminSettings, grammar.StoreSettings, grammar.LogSettings),
    *(grammar.LocaleSettings, grammar.DeliverySettings, grammar.SourceSettings, grammar.RouteSettings),
    *(grammar.TestSettings, grammar.TokenSettings),
)
ANYTHING = {"options", "event"}  # free-form
NOTHING = {"rate", "batch"}  # `null`, written out, turns off what a type or a section above brings
EMPTY_TEXT = {"prefix", "exchange"}  # hmac: no text before the digits; rabbitmq: the default exchange has no other name


def _models() -> Iterator[tuple[str, type[BaseModel]]]:
    registry = Registry()
    todo: list[tuple[str, type[BaseModel]]] = [(one.__name__, one) for one in SECTIONS]
    todo += [(name, registry.source(name).Options) for name in registry.source_types()]
    todo += [(name, registry.sink(name).Options) for name in registry.sink_types()]
    seen: set[type[BaseModel]] = set()
    for name, model in todo:
        if model in seen:
            continue
        seen.add(model)
        yield name, model
        todo += [(f"{name}.{key}", one) for key, info in model.model_fields.items() for one in _inside(info.annotation)]


def _inside(annotation: Any) -> Iterator[type[BaseModel]]:
    annotation, _ = unwrapped(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _inside(argument)


OPTIONS = [
    (name, model, info.validation_alias or key, info)
    for name, model in _models()
    for key, info in model.model_fields.items()
]


def _problems(model: type[BaseModel], key: str, **scalar: Any) -> list[str]:
    """What is wrong at this key of a table that holds nothing else."""
    validation = Validation(Path("/nowhere"))
    node = Scalar(file="x.yaml", path=key, line=1, column=1, **scalar)
    validation.model(Table(file="x.yaml", path="", line=1, column=1, entries={key: node}), model)
    return [problem.message for problem in validation.problems if problem.path.startswith(key) or not problem.path]


@pytest.mark.parametrize(("name", "model", "key", "info"), OPTIONS, ids=[f"{n}.{k}" for n, _, k, _ in OPTIONS])
def test_an_option_that_is_written_down_empty_is_an_error(
    name: str, model: type[BaseModel], key: str, info: FieldInfo
) -> None:
    if key in ANYTHING:
        return
    assert _problems(model, key, text=""), f"{name}.{key}: nothing"
    for null in ("~", "null"):
        assert bool(_problems(model, key, text=null)) == (key not in NOTHING), f"{name}.{key}: {null}"
    if key not in EMPTY_TEXT:
        assert _problems(model, key, text="", quoted=True), f"{name}.{key}: an empty text"
        empty = {"text": "", "quoted": True, "substituted": True, "names": ("${X}",)}
        assert _problems(model, key, **empty), f"{name}.{key}: an empty variable"


@pytest.mark.parametrize("empty", ["", "~", "null", '""', "'  '", "[]", "['']", "[~]", "${NOBODY:-}", "${EMPTY}"])
@pytest.mark.parametrize("key", sorted(grammar.MatchSettings.model_fields))
def test_a_route_never_matches_everything_by_an_empty_condition(configs: Configs, key: str, empty: str) -> None:
    text = (
        f"sources: {{s: {{type: fake, keys: [{KEY}]}}}}\nsinks: {{o: {{type: fake, globs: '*'}}}}\nroutes:\n  - to: o\n"
    )
    problems = configs.problems(f"{text}    match:\n      {key}: {empty}\n", {"EMPTY": ""})
    assert all(problem.path.startswith(f"routes.0.match.{key}") for problem in problems), [str(one) for one in problems]
    assert len(problems) == 1


@pytest.mark.parametrize("line", ["match:", "match: ~", "where:", 'where: ""', "to:", 'to: ""', "name:", "stop:"])
def test_a_part_of_a_route_that_is_empty_is_an_error_too(configs: Configs, line: str) -> None:
    to = "" if line.startswith("to") else "    to: o\n"
    text = f"sources: {{s: {{type: fake, keys: [{KEY}]}}}}\nsinks: {{o: {{type: fake, globs: '*'}}}}\nroutes:\n  - stop: false\n{to}"
    if line.startswith("stop"):
        text = text.replace("  - stop: false\n    to: o\n", "  - to: o\n")
    problem = configs.problems(f"{text}    {line}\n")[0]
    assert problem.path.startswith(f"routes.0.{line.partition(':')[0]}"), str(problem)


@pytest.mark.parametrize("empty", ["", "~", "[]", '""'])
def test_callbacks_from_anywhere_are_not_meant_by_an_empty_list_of_networks(configs: Configs, empty: str) -> None:
    problem = configs.wrong_source(f"allow_from: {empty}")
    assert problem.path == "sources.it.allow_from"


@pytest.mark.parametrize("key", ["domains", "apps"])
@pytest.mark.parametrize("empty", ["", "~", "[]", '""', "['']"])
def test_any_domain_is_not_meant_by_an_empty_list_of_them(configs: Configs, key: str, empty: str) -> None:
    text = f"sources: {{live: {{type: huawei-live, keys: [{KEY}], {key}: {empty} }}}}"
    assert any(problem.path.startswith(f"sources.live.{key}") for problem in configs.problems(text, real=True))


def test_it_is_said_what_to_do(configs: Configs) -> None:
    problem = configs.wrong_source("window:")
    assert (problem.found, problem.expected) == ("nothing", "a value")
    assert "leave the key out" in problem.hint


def test_a_section_whose_lines_are_all_commented_out_has_its_defaults(configs: Configs) -> None:
    assert configs.load("server:\nadmin:\nstore:\nlog:\nlocale:\ndelivery:\n").settings.locale.timezone == "UTC"


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "version: 1\n", "sources:\n", "sources: {}\n", "log: {level: info}\n"]
)
def test_a_configuration_without_a_source_is_not_served(configs: Configs, text: str) -> None:
    (problem,) = refuse_to_serve(configs.load(text))
    assert "no source is configured" in problem.message


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_key_file_is_read_without_its_byte_order_mark(configs: Configs, ending: str) -> None:
    (configs.folder / "key").write_bytes(b"\xef\xbb\xbf" + KEY.encode() + ending.encode())
    (configs.folder / "key").chmod(0o600)
    loaded = configs.load("sources: {it: {type: fake, keys: ['${file:key}']}}")
    options: Any = loaded.settings.sources["it"].options
    assert options.keys[0].reveal() == KEY


def test_an_empty_argument_and_a_prefix_of_nothing_are_values(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text("sinks: {run: {type: exec, command: [/bin/true, '']}}\n")
    options: Any = load(path, environ={}).settings.sinks["run"].options
    assert options.command == ("/bin/true", "")
    path.write_text("sinks: {run: {type: exec, command: [/bin/true, ~]}}\n")
    with pytest.raises(ConfigError):
        load(path, environ={})
