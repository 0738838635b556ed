"""What whoever contributes is given: pages with all their parts, templates that can be read, hooks that fetch nothing."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.patience import PATIENCE_S
from tests.syntax import OURS, nodes

ROOT = Path(__file__).resolve().parent.parent
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
PAGES = ("source", "sink", "command", "store-rule")


def _headings(page: Path) -> list[str]:
    return re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_every_decision_has_its_parts(page: Path) -> None:
    assert _headings(page) == ["Context", "Tried and measured", "Decision", "Consequences"]
    parts = re.split(r"^## .+$", page.read_text(), flags=re.MULTILINE)[1:]
    assert all(len(part.split()) > 10 for part in parts)


def test_decisions_are_numbered_without_a_gap_and_listed_by_their_titles() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    listed = (ROOT / "docs" / "decisions" / "README.md").read_text()
    for page in DECISIONS:
        assert f"[{page.name[:4]}]({page.name}) | {page.read_text().splitlines()[0][2:]} |" in listed


@pytest.mark.parametrize("name", PAGES)
def test_every_page_for_an_addition_says_which_tests_and_what_not_to_enforce(name: str) -> None:
    page = ROOT / "docs" / "contributing" / f"{name}.md"
    assert _headings(page) == ["Tests to inherit", "What not to enforce"]


def test_files_that_the_pages_name_are_there() -> None:
    pages = [ROOT / "CONTRIBUTING.md", *(ROOT / "docs" / "contributing").glob("*.md"), *DECISIONS]
    named = {
        path for page in pages for path in re.findall(r"`((?:gateway|plugins|tests|store)/[\w./-]+)`", page.read_text())
    }
    assert [path for path in sorted(named) if not ((ROOT / path).exists() or (ROOT / "gateway" / path).exists())] == []


def test_the_hooks_are_local_and_use_the_projects_own_environment() -> None:
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].startswith(".venv/bin/python -m ")
    tests = {word for hook in repository["hooks"] for word in hook["entry"].split() if word.startswith("tests/")}
    assert all((ROOT / test).is_file() for test in tests)
    assert {f"tests/test_{name}.py" for name in ("house", "glossary", "any", "states", "one_way")} <= tests


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem
)
def test_an_issue_template_is_a_form_that_can_be_read(path: Path) -> None:
    form = yaml.safe_load(path.read_text())
    if path.stem == "config":
        assert form == {"blank_issues_enabled": True}
        return
    assert form["name"]
    assert form["description"]
    for field in form["body"]:
        assert field["type"] in {"markdown", "textarea", "input", "checkboxes", "dropdown"}
        assert field["attributes"]


def test_the_changelog_has_each_section_once_and_in_order() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    for release in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        sections = re.findall(r"^### (.+)$", release, re.MULTILINE)
        assert sections == [
            one for one in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security") if one in sections
        ]
        assert not re.search(r"^[*-] ", release.split("\n### ")[0], re.MULTILINE), "a line stands under a section"


def test_every_line_of_the_changelog_is_there_once() -> None:
    lines = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("* ")]
    assert sorted(set(lines)) == sorted(lines)


def _rooms() -> set[str]:
    """The rooms that docs/architecture.md draws."""
    rows = re.findall(r"^\| \d+ \| ([^|]+) \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE)
    return {room for rooms in rows for room in re.findall(r"`(\w+)`", rooms)}


def _tests_of(room: str) -> list[str]:
    return [place for place in (f"tests/{room}", f"tests/test_{room}.py") if (ROOT / place).exists()]


@pytest.mark.parametrize("room", sorted(_rooms()))
def test_make_room_takes_every_room_there_is_with_its_tests_and_its_types(room: str) -> None:
    shown = subprocess.run(
        ["make", "-n", "room", f"R={room}"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE_S
    ).stdout
    [tested] = [line for line in shown.splitlines() if "-m pytest" in line]
    [typed] = [line for line in shown.splitlines() if "-m mypy" in line]
    assert tested.split()[-len(_tests_of(room)) :] == _tests_of(room)
    assert _tests_of(room) != []
    assert (ROOT / typed.split()[-1]).exists()


def test_make_room_names_the_rooms_where_there_is_no_such_one() -> None:
    said = subprocess.run(
        ["make", "-n", "room", "R=attic"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert said.returncode != 0
    assert {"dispatch", "watchdog"} <= set(said.stderr.replace(".", " ").split())


def test_the_lowest_versions_are_tried_in_every_room_of_the_core() -> None:
    listed = subprocess.run(
        ["bash", ".ci/lowest", "--list"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=PATIENCE_S
    ).stdout.split()
    core = [place for room in _rooms() - {"testing"} for place in _tests_of(room)]
    assert sorted(listed) == sorted([*core, "tests/store_admin"])


# Whose private names a file asks for: of a library that may rename them whenever it likes.
PRIVATE_PARTS = {
    "gateway/egress/messages.py": "httpx",
    "plugins/sinks/apprise/calls.py": "requests",
    "plugins/sinks/database/mysql_tls.py": "aiomysql",
    "plugins/sinks/kafka/producer.py": "aiokafka",
    "plugins/sinks/mqtt/confirmed.py": "aiomqtt",
    "plugins/sinks/nats/jetstream.py": "nats-py",
    "plugins/sinks/redis/pooled.py": "redis",
}
# Beside these: whole modules of theirs that are nobody's promise.
INSIDE = ("aiohttp", "apprise", "common-expression-language", "uvicorn")
# What has an underscore and is documented: of a NamedTuple, of an enumeration's member, of sys and os, of an Undefined of Jinja's.
DOCUMENTED = {
    "_asdict",
    "_fields",
    "_make",
    "_replace",
    "_value_",
    "_current_frames",
    "_exit",
    "_fail_with_undefined_error",
}


def _private_names(path: Path) -> set[str]:
    """The private names that a file asks of something else, and gives nowhere itself."""
    asked, given = set(), set()
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
            own = isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
            (given if own else asked).add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            given.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            given.add(node.target.id)
    return asked - given - DOCUMENTED


def test_the_files_that_ask_for_private_parts_of_a_library_are_known() -> None:
    assert {str(path.relative_to(ROOT)) for path in OURS if _private_names(path)} == PRIVATE_PARTS.keys()


def test_a_library_whose_private_parts_are_used_has_an_upper_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)}
    for library in {*INSIDE, *PRIVATE_PARTS.values()}:
        lines = [line for line in needed if re.match(rf"{library}\b(?!-)", line)]
        assert lines, library
        assert all("<" in line for line in lines), lines
