"""`gateway store doctor`: what it prints, as people and as programs read it, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.commands.store_doctor import COLUMNS
from tests.commands import invoke as run
from tests.ready_stores import file_at


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(f"store: {file_at(tmp_path / 'gateway.db')}\n")
    return path


def test_it_says_what_is_there_in_eighty_columns(configuration: Path) -> None:
    done = run(["store", "doctor"], cwd=configuration.parent)
    assert done.exit_code == 0, done.stdout
    assert done.stdout.splitlines()[0].startswith("sqlite:///")
    assert done.stdout.splitlines()[-1] == "the store can be kept here"
    assert max(map(len, done.stdout.splitlines()[1:])) <= COLUMNS


def test_what_is_missing_makes_the_exit_code_one(configuration: Path, tmp_path: Path) -> None:
    (tmp_path / "gateway.db").write_bytes(b"of another program, and no database at all" * 30)
    done = run(["store", "doctor"], cwd=configuration.parent)
    assert done.exit_code == 1
    assert "1 missing: it cannot be kept here" in done.stdout


def test_programs_read_an_object(configuration: Path) -> None:
    done = run(["store", "doctor", "--json"], cwd=configuration.parent)
    shown = json.loads(done.stdout)
    assert shown["fits"] is True
    assert shown["mode"] is None
    assert all(finding.keys() == {"name", "grade", "seen", "meaning"} for finding in shown["findings"])
