"""docs/architecture.md answers a stranger's questions by one grep each."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parent.parent
ROW = re.compile(r"^\| ([^|]+\?) \| `([^`]+)` \| `([^`]+\.py)` \|$", re.MULTILINE)


def questions() -> list[tuple[str, str, str]]:
    part = (
        (ROOT / "docs/architecture.md")
        .read_text()
        .split("## Questions, each answered by one grep")[1]
        .split("\n## ")[0]
    )
    return ROW.findall(part)


def test_there_are_twenty_questions_and_more() -> None:
    asked = questions()
    assert len(asked) >= 20
    assert len({question for question, _, _ in asked}) == len(asked)


@pytest.mark.process
def test_each_question_is_answered_by_one_grep_in_one_place() -> None:
    wrong = []
    for question, pattern, place in questions():
        command = ["grep", "-rlE", pattern, "gateway", "plugins", "--include=*.py"]
        found = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        ).stdout.split()
        if found != [place]:
            wrong.append((question, pattern, found))
    assert wrong == []


def test_the_places_of_the_packages_are_there() -> None:
    part = (ROOT / "docs/architecture.md").read_text().split("## What the six packages do here")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| .+ \| (.+) \|$", part, re.MULTILINE)
    assert [name for name, _ in rows if name != "package"] == [
        *("Starlette", "pluggy", "httpx", "tenacity", "PyYAML", "pytest")
    ]
    assert [name for name, where in rows if name != "package" and "`gateway/" not in where] == []
    named = re.findall(r"`((?:gateway|tests)/[\w/.]+)`", part)
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_module_that_the_rooms_are_explained_by_is_there() -> None:
    part = (ROOT / "docs/architecture.md").read_text().split("## Inside the larger rooms")[1].split("\n## ")[0]
    rooms = re.findall(r"^\| `(\w+)` \| (.+) \|$", part, re.MULTILINE)
    assert len(rooms) > 10
    gone = [
        f"{room}: {name}"
        for room, text in rooms
        for name in re.findall(r"`([a-z][\w/]*)`", text)
        if not any((ROOT / "gateway" / room / f"{name.rstrip('/')}{end}").exists() for end in ("", ".py"))
        and not any((ROOT / "gateway" / room).glob(f"*/{name}.py"))
        and not (ROOT / "gateway" / f"{name}.py").exists()
    ]
    assert gone == []
