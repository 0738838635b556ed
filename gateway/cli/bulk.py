"""Does one thing to several, goes on after one that fails, and says in the end whether any did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from gateway.cli import output
from gateway.errors import GatewayError
from gateway.text.escaping import visible

Item = TypeVar("Item", str, int)


def each(items: Sequence[Item], act: Callable[[Item], str], label: str) -> None:
    """Call `act` with each; print what it says, or a bar where they are many. Exits 1 if any raised what people cause."""
    failed = 0
    with output.progress(len(items), label) as bar:
        for item in items:
            try:
                said = act(item)
            except click.UsageError:
                raise
            except click.ClickException as error:
                failed += 1
                output.note(f"error: {item}: {error.message}")
            except GatewayError as error:
                failed += 1
                output.note(f"error: {item}: {error}")
            else:
                if bar.hidden:
                    click.echo(visible(f"{item}: {said}"))
            bar.update(1)
    if failed:
        raise click.exceptions.Exit(1)
