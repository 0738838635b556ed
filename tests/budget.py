"""A test that takes more than five seconds needs the mark `slow`, so that `make test` stays quick."""

from __future__ import annotations

import os

import pytest

BUDGET_S = 5.0
BUSY_MAX = 2.0  # processes that want to run for each processor


def over_budget(item: pytest.Item, report: pytest.TestReport) -> None:
    """Make a passed test fail that took too long. Where others work too it may take longer, and where many do, or in one
    of several workers, nobody can say how long it takes: there the list of the slowest is printed."""
    if report.when != "call" or not report.passed or item.get_closest_marker("slow"):
        return
    if "PYTEST_XDIST_WORKER" in os.environ:
        return
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    if busy <= BUSY_MAX and report.duration > BUDGET_S * busy:
        report.outcome = "failed"
        report.longrepr = (
            f"It took {report.duration:.1f} s: make it quicker, or mark it `@pytest.mark.slow` (over {BUDGET_S:g} s)"
        )
