"""Every benchmark still runs: in its smallest form, for its figures' sake never."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SMALLEST = {
    "__main__": ("--rounds", "1", "--seconds", "0.5", "--peers"),
    "backlog": ("500", "1000"),
    "brokers": ("--rounds", "1", "--seconds", "0.5"),
    "encrypted": (),
    "gateways": ("--rounds", "1", "--seconds", "0.5"),
    "store_transfer": ("--events", "2000"),
    "quick": ("--slices", "1"),
    "retention": ("--events", "3000", "--rounds", "2", "--seconds", "1"),
    "store": ("--rounds", "1", "--seconds", "0.1"),
    "stored": ("--rows", "2000"),
    "ways": ("--store", "postgresql", "--rounds", "1", "--seconds", "0.5"),
}


def test_all_that_can_be_run_are_run_here() -> None:
    modules = (ROOT / "benchmarks").glob("*.py")
    assert {path.stem for path in modules if "def main(" in path.read_text()} == set(SMALLEST)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_runs_in_its_smallest_form_and_prints_figures(name: str) -> None:
    module = "benchmarks" if name == "__main__" else f"benchmarks.{name}"
    done = subprocess.run(
        [sys.executable, "-m", module, *SMALLEST[name]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert any(character.isdigit() for character in done.stdout)
    assert "Traceback" not in done.stdout + done.stderr
