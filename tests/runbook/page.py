"""docs/runbook.md as its reader follows it: the commands of each incident, in order, under what they are for."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs/runbook.md"
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
STEPS = ("look", "do", "check")

Steps = list[tuple[str, list[str]]]


def incidents(text: str) -> dict[str, Steps]:
    """The incidents by their headings, each with its steps (`look`, `do`, `check`) and their commands."""
    sections = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return {
        heading: _steps("".join(_BLOCK.findall(body)))
        for heading, body in zip(sections[::2], sections[1::2], strict=True)
    }


def _steps(block: str) -> Steps:
    steps: Steps = []
    for line in block.splitlines():
        if line.startswith("# "):
            steps.append((re.split(r"\W", line[2:])[0], []))
        else:
            steps[-1][1].append(line)
    return steps
