"""What a worker tells its run of a test: where nothing is to be said of it but that it passed, two messages in place of six.
Each costs both processes as much as a small test does: without this a tenth of the suite's work was telling of it."""

from __future__ import annotations

from typing import Any

import pytest

SHORT_S = 0.05  # of a fixture: what is in nobody's list of the slowest


def is_worth_a_message(name: str, data: dict[str, Any] | None = None) -> bool:
    """Whether the run does anything with this event of a worker, where it prints no line for each test."""
    if name in ("logstart", "logfinish"):
        return False
    if name != "testreport" or data is None or data["when"] == "call" or data["outcome"] != "passed":
        return True
    return bool(data["sections"] or data["user_properties"] or data["duration"] > SHORT_S)


class FewMessages:
    """A plugin of pytest, for a worker of pytest-xdist."""

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        if session.config.option.verbose > 0:  # who wants to see each test begin
            return
        for plugin in session.config.pluginmanager.get_plugins():
            if type(plugin).__name__ == "WorkerInteractor":
                _keep_from(plugin)


def _keep_from(worker: Any) -> None:
    send = worker.sendevent

    def send_what_matters(name: str, **values: Any) -> None:
        if is_worth_a_message(name, values.get("data")):
            send(name, **values)

    worker.sendevent = send_what_matters
