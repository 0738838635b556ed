"""A command beside a running gateway, inside this process: one of its own costs half a second each time."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from click.testing import CliRunner, Result


def invoke(
    arguments: Sequence[str], *, cwd: Path, environ: Mapping[str, str | None] | None = None, input: str | None = None
) -> Result:
    """What `gateway …` answers in this folder. An exception that is no exit is raised. Not for `serve` and `health`."""
    from gateway.cli.root import gateway

    with contextlib.chdir(cwd):
        result = CliRunner().invoke(gateway, list(arguments), prog_name="gateway", env=environ, input=input)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
