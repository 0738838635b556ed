"""What a held event says otherwise than the first: line by line, in colour where a person watches."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator

import click

from gateway.cli.table import styled
from gateway.text.escaping import visible, visible_json

_COLOURS = {"-": "red", "+": "green"}
CONTEXT_LINES = 1  # lines around a difference


def show(first: str, other: str, *, names: tuple[str, str]) -> None:
    """Print how the second event's JSON differs from the first's."""
    lines = list(_lines(first, other))
    if not lines:
        click.echo(f"it says the same as {names[0]}, but for its raw bytes")
        return
    click.echo(visible(f"what it says otherwise (-) than {names[0]}, (+) as {names[1]}:"))
    for line in lines:
        click.echo(styled(visible(f"  {line}"), fg=_COLOURS.get(line[:1])))


def _lines(first: str, other: str) -> Iterator[str]:
    before, after = (visible_json(json.loads(text), indent=True).splitlines() for text in (first, other))
    for line in list(difflib.unified_diff(before, after, n=CONTEXT_LINES, lineterm=""))[2:]:
        yield "…" if line.startswith("@@") else line
