"""Workers share the work of compiling tests: each file is of one of them, and is then found by all under its own name."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.import_shares import ROOT, ImportShares, share


@pytest.mark.parametrize("workers", [1, 2, 4, 7])
@pytest.mark.parametrize("count", [0, 1, 4, 669])
def test_every_file_is_of_one_worker(count: int, workers: int) -> None:
    names = [str(number) for number in range(count)]
    shares = [share(names, worker, workers) for worker in range(workers)]
    assert [name for one in shares for name in one] == names
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def _session(*args: str, **more: Any) -> Any:
    config = SimpleNamespace(args=[*args], invocation_params=SimpleNamespace(dir=ROOT), **more)
    return SimpleNamespace(config=config)


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []

    def fail(name: str) -> None:
        names.append(name)
        raise ImportError(name)  # which collecting it will say

    monkeypatch.setattr("tests.import_shares.importlib.import_module", fail)
    return names


def test_a_worker_of_a_whole_run_imports_its_part_by_the_names_that_pytest_gives(imported: list[str]) -> None:
    for number in range(2):
        ImportShares().pytest_collection(_session("tests", workerinput={"workerid": f"gw{number}", "workercount": 2}))
    assert len(imported) == len(set(imported)) > 400
    assert __name__ in imported
    assert {name for name in sys.modules if name.startswith("tests.test_")} <= set(imported)


@pytest.mark.parametrize(
    "session",
    [_session("tests"), _session(str(Path("tests/web")), workerinput={"workerid": "gw0", "workercount": 2})],
    ids=["no workers", "one room"],
)
def test_who_runs_less_imports_nothing_beforehand(session: Any, imported: list[str]) -> None:
    ImportShares().pytest_collection(session)
    assert imported == []
