"""`gateway store doctor`: whether the store's place has what the gateway asks of it."""

from __future__ import annotations

import re
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from gateway.cli.command_options import local_option, pass_local
from gateway.cli.invocation import Invocation
from gateway.cli.table import styled
from gateway.text.escaping import visible, visible_json

if TYPE_CHECKING:
    from gateway.store.doctor.diagnosis import Diagnosis, Finding

COLUMNS: Final = 80
GRADE_COLUMNS: Final = 9
NAME_COLUMNS: Final = 22
_BOLD: Final = ("unwise", "missing")


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@local_option
@pass_local
def doctor(invocation: Invocation, as_json: bool) -> None:
    """Try whether the place of the store has what the gateway asks of it, and say what is missing and what that means.

    Of PostgreSQL, or an engine that speaks like it, it tries each line of "What the store asks of its server"
    (docs/scaling.md) with two connections, on tables of its own that it takes away again; of SQLite the file system, the
    locks and how long a commit takes. It changes nothing else and works beside a running gateway, or before the first start.

    \b
    ok       it is as it should be
    noted    worth knowing; the gateway does without
    unwise   it works, and one day somebody will be sorry
    missing  the gateway needs it

    Exit code 1: something is missing.
    """
    from gateway.admin.store_place import store_address
    from gateway.store.doctor.examination import examine

    diagnosis = examine(store_address(invocation.settings))
    if as_json:
        click.echo(visible_json({**asdict(diagnosis), "fits": diagnosis.fits}, indent=True))
    else:
        _print(diagnosis)
    if not diagnosis.fits:
        raise click.exceptions.Exit(1)


def _print(diagnosis: Diagnosis) -> None:
    click.echo(visible(f"{diagnosis.store}: {re.split(r' on | [(]', diagnosis.kind)[0]}"))  # the builder's words follow
    for finding in diagnosis.findings:
        for number, line in enumerate(_lines(finding)):
            click.echo(styled(line, bold=True) if number == 0 and finding.grade in _BOLD else line)
    missing = sum(one.grade == "missing" for one in diagnosis.findings)
    mode = f"in the {diagnosis.mode} mode" if diagnosis.mode else "here"
    click.echo(f"{missing} missing: it cannot be kept {mode}" if missing else f"the store can be kept {mode}")


def _lines(finding: Finding) -> list[str]:
    text = visible(finding.seen + (f": {finding.meaning}" if finding.meaning else ""))
    head = f"{finding.grade:<{GRADE_COLUMNS}}{finding.name:<{NAME_COLUMNS}}"
    return textwrap.wrap(
        text,
        COLUMNS,
        initial_indent=head,
        subsequent_indent=" " * (GRADE_COLUMNS + NAME_COLUMNS),
        break_on_hyphens=False,
    )
