"""A test that takes more than five seconds needs the mark `slow`, so that `make test` stays quick."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

BUDGET_S = 5.0
BUSY_MAX = 2.0  # processes that want to run for each processor
NOISE = 2.0  # in a worker: the same suite took 383 and 537 s of work on one machine, and single tests twice theirs
WORKED_S = pytest.StashKey[float]()


@contextmanager
def measured(item: pytest.Item) -> Iterator[None]:
    """Note what the processors worked for a test, in this process and in those that it started and that have ended."""
    began = _worked()
    try:
        yield
    finally:
        item.stash[WORKED_S] = _worked() - began


def _worked() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def over_budget(item: pytest.Item, report: pytest.TestReport) -> None:
    """Make a passed test fail that took too long: of time, and in one of several workers, where each takes time from the
    others, of work. Where others use the machine too it may take longer, and where many do, nobody can say how long it
    takes: there the list of the slowest is printed. With `--cov` a line costs more than its own work, so nothing is said."""
    counted = item.config.getoption("cov_source", default=None)
    if report.when != "call" or not report.passed or item.get_closest_marker("slow") or counted:
        return
    in_worker = "PYTEST_XDIST_WORKER" in os.environ
    took, what = (item.stash.get(WORKED_S, 0.0), "work") if in_worker else (report.duration, "time")
    if took <= BUDGET_S:
        return
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    allowed = BUDGET_S * (max(busy, NOISE) if in_worker else busy)
    if busy <= BUSY_MAX and took > allowed:
        report.outcome = "failed"
        report.longrepr = (
            f"It took {took:.1f} s of {what}: make it quicker, or mark it `@pytest.mark.slow` (over {allowed:.0f} s)"
        )
