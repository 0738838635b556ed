"""A run hears of each test once how it ended, and of what comes before and after it only where that is worth a line."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tests.few_messages import FewMessages, is_worth_a_message

PASSED: dict[str, Any] = {
    "when": "setup",
    "outcome": "passed",
    "sections": [],
    "user_properties": [],
    "duration": 0.001,
}


@pytest.mark.parametrize("when", ["setup", "teardown"])
def test_what_passed_around_a_test_is_told_where_there_is_something_to_tell(when: str) -> None:
    assert not is_worth_a_message("testreport", {**PASSED, "when": when})
    for more in (
        {"when": "call"},
        {"outcome": "failed"},
        {"outcome": "skipped"},
        {"sections": [("Captured log", "x")]},
        {"user_properties": [("a", 1)]},
        {"duration": 1.2},
    ):
        assert is_worth_a_message("testreport", {**PASSED, "when": when, **more}), more


def test_what_a_worker_is_scheduled_by_is_always_told() -> None:
    assert all(map(is_worth_a_message, ("runtest_protocol_complete", "collectionfinish", "workerfinished", "other")))
    assert is_worth_a_message("collectreport", {**PASSED, "when": "collect"})


class WorkerInteractor:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def sendevent(self, name: str, **values: Any) -> None:
        self.heard.append(name)


@pytest.mark.parametrize(("verbose", "heard"), [(0, ["testreport"]), (1, ["logstart", "testreport"])])
def test_who_wants_a_line_for_each_test_hears_everything(verbose: int, heard: list[str]) -> None:
    worker = WorkerInteractor()
    plugins = SimpleNamespace(get_plugins=lambda: {object(), worker})
    config = SimpleNamespace(option=SimpleNamespace(verbose=verbose), pluginmanager=plugins)
    FewMessages().pytest_sessionstart(SimpleNamespace(config=config))  # type: ignore[arg-type]
    worker.sendevent("logstart", nodeid="x")
    worker.sendevent("testreport", data={**PASSED, "when": "call"})
    assert worker.heard == heard


def test_a_worker_of_pytest_xdist_sends_by_that_name() -> None:
    remote = pytest.importorskip("xdist.remote")
    assert callable(remote.WorkerInteractor.sendevent)
