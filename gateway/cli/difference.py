"""What a held event says otherwise than the first: line by line, in colour where a person watches."""

from __future__ import annotations

import json

import click

from gateway.cli.table import styled
from gateway.text.escaping import visible
from gateway.text.json_difference import json_difference

_COLOURS = {"-": "red", "+": "green"}
CONTEXT_LINES = 1  # lines around a difference


def show(first: str, other: str, *, names: tuple[str, str]) -> None:
    """Print how the second event's JSON differs from the first's."""
    lines = list(json_difference(json.loads(first), json.loads(other), context=CONTEXT_LINES))
    if not lines:
        click.echo(f"it says the same as {names[0]}, but for its raw bytes")
        return
    click.echo(visible(f"what it says otherwise (-) than {names[0]}, (+) as {names[1]}:"))
    for mark, line in lines:
        click.echo(styled(visible("  …" if mark == "@" else f"  {mark}{line}"), fg=_COLOURS.get(mark)))
