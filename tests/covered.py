"""What the tests do where coverage counts lines (`make coverage`): it knows no process that is killed, and no hook that C calls."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import Any

ENDS_S = 5.0  # what still runs then is killed, and not counted


def is_counting() -> bool:
    """Whether coverage counts the lines of this process and its children."""
    return "COVERAGE_PROCESS_CONFIG" in os.environ


def environ() -> dict[str, str]:
    """What a child whose environment is written by hand needs so that its lines are counted too."""
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


def count_hooks_too() -> None:
    """Python traces an audit hook only where it says that it may be traced."""
    from gateway.cli import no_side_effects

    no_side_effects._SideEffectWatch._hear.__cantrace__ = True  # type: ignore[attr-defined]


def kill(process: Any) -> None:
    """Kill what is no longer needed; where lines are counted it ends by itself first and says what it ran."""
    if is_counting():
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(ENDS_S)
            return
    process.kill()
