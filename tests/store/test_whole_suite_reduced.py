"""Every promise of the store that PostgreSQL keeps is kept by one that is asked for no more than docs/scaling.md lists."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MINUTES_MAX = 25
PLANS = "tests/store/test_plans.py"  # fills tables with more rows in one statement than the gateway ever does


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.whole_server
@pytest.mark.timeout(MINUTES_MAX * 60 + 30)
def test_the_whole_suite_of_the_store_passes_in_the_reduced_mode(request: pytest.FixtureRequest) -> None:
    rooms = ("tests/store", "tests/store_admin")
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "postgres and not slow"]
    done = subprocess.run(
        [*words, "--timeout", "300", "--ignore", PLANS, "--reduced", str(request.config.getoption("--seed")), *rooms],
        cwd=ROOT,
        env={name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True, text=True, timeout=MINUTES_MAX * 60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-10_000:]
