"""docs/routing.md is true: its routes load, its tests pass, its expressions are good, its words are the program's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.route_tests import run_tests
from gateway.events.event_reader import FLAT_KEYS
from gateway.events.samples import sample
from gateway.model import File
from gateway.routing import MATCH_KEYS, Route, Router, explain
from gateway.where import check_where, compile_where

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs/routing.md").read_text()
BASE = """version: 1
store: sqlite:///gateway.db
sources: {live: {type: huawei-live, keys: [0123456789abcdef0123456789abcdef], domains: [push.example.com], apps: [live]}}
sinks: {app: {type: console}, ops: {type: console}}
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_route_of_the_page_loads_without_a_warning(tmp_path: Path) -> None:
    routes = [block for block in blocks("yaml") if block.startswith("routes:")]
    assert len(routes) == 4
    for block in routes:
        path = tmp_path / "gateway.yaml"
        path.write_text(BASE + block)
        path.chmod(0o600)
        assert [problem for problem in load(path, environ={}).warnings if problem.path.startswith("routes")] == []


def test_the_tests_of_the_page_pass_on_its_routes(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    (tests,) = (block for block in blocks("yaml") if block.startswith("tests:"))
    path.write_text(BASE + blocks("yaml")[0] + tests)
    path.chmod(0o600)
    loaded = load(path, environ={})
    assert len(loaded.settings.tests) == 3
    assert run_tests(loaded) == []


@pytest.mark.parametrize("text", blocks("cel")[0].strip().splitlines())
def test_every_expression_of_the_page_is_a_good_one(text: str) -> None:
    assert check_where(compile_where(text)) == ([], [])


def test_the_page_names_every_key() -> None:
    for key in MATCH_KEYS:
        assert f"`{key}`" in PAGE
    for key in FLAT_KEYS:
        assert re.search(rf"^\| .*`{key}`.* \|", PAGE, re.MULTILINE), key
    for key in File.__struct_fields__:
        assert re.search(rf"^\| `files` \|.*\b{key}\b", PAGE, re.MULTILINE), key


def test_the_explanation_of_the_page_is_what_the_program_says() -> None:
    routes = [
        Route(name="long-files", match={"type": ["recording.file.*"], "app": ["live"]}, where="true", to=["app"]),
        Route(name="failures", match={"type": ["recording.*"], "stream": ["vip-*", "main", "1001"]}),
        Route(name="trusted-files", where="event.data.files.size() > 1"),
        Route(name="broken", where="event.data.nope"),
        Route(name="last", to=["app"], stop=True),
        Route(name="the-rest"),
    ]
    said = explain(Router(routes).decide(sample("recording.file.completed")).json())
    for line in blocks("text")[0].splitlines():
        assert line in said
