"""The twenty questions of docs/operations.md: every command, click and call that answers one is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest

from gateway.cli.root import gateway as root
from gateway.web.pages.page_list import PAGES
from tests.web.pages.texts import texts

ROOT = Path(__file__).resolve().parent.parent.parent.parent
TEXT = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.split("| question | command | page | call |")[1].split("\n\n")[0].splitlines()[2:]
]
PLACES = {"ID": "{ref}", "N": "{number}", "NAME": "{name}"}
OPENAPI: Any = json.loads((ROOT / "docs/openapi.json").read_text(encoding="utf-8"))
PATHS = {page.path for page in PAGES if page.method == "GET"}
TEXTS = texts()


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def pattern(path: str) -> str:
    return "/".join(PLACES.get(part, part) for part in path.split("/"))


def test_there_are_twenty() -> None:
    assert len(ROWS) == 20
    assert all(len(row) == 4 and all(row) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_command_that_answers_it_is_there_with_its_options(row: list[str]) -> None:
    commands = quoted(row[1])
    assert commands
    for line in commands:
        name, *words = line.split()
        assert name == "gateway"
        command: click.Command = root
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), words.pop(0))
            assert found is not None, line
            command = found
        options = {option for one in command.params for option in one.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_page_that_answers_it_is_there_and_says_what_to_look_for(row: list[str]) -> None:
    [link] = quoted(row[2])
    assert pattern(link.partition("?")[0]) in PATHS
    assert set(re.findall(r'"([^"]+)"', row[2])) <= TEXTS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_call_that_answers_it_is_there_with_its_filters(row: list[str]) -> None:
    method, _, target = quoted(row[3])[0].partition(" ")
    path, _, query = target.partition("?")
    operation = OPENAPI["paths"][f"/api/v1{pattern(path)}"][method.lower()]
    names = {one["name"] for one in operation.get("parameters", ())}
    assert {pair.partition("=")[0] for pair in query.split("&") if pair} <= names
