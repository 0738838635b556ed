"""`gateway store verify`: whether what is stored keeps every promise of the outbox."""

from __future__ import annotations

import textwrap
from typing import Final

import click

from gateway.cli import output
from gateway.cli.command_options import local_option, pass_local
from gateway.cli.invocation import Invocation
from gateway.store.verify.violations import Findings, Violation
from gateway.text.escaping import visible, visible_json

COLUMNS: Final = 80


@click.command("verify")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@local_option
@pass_local
def command(invocation: Invocation, as_json: bool) -> None:
    """Look through the whole store for what breaks a promise, and say which row and why. Nothing is changed.

    It works beside a running gateway, a piece of a table at a time. Exit code 1: something is wrong.
    """
    findings = Findings()
    shown: list[Violation] = []
    with invocation.admin() as admin:
        keys = admin.keys_to_verify()
        with output.progress(keys, "verified") as bar:
            for violation in findings.first_of(admin.violations(bar.update)):
                shown.append(violation)
    if as_json:
        click.echo(visible_json(_object(keys, shown, findings), indent=True))
    else:
        _print(shown, findings)
    if shown:
        raise click.exceptions.Exit(1)


def _print(shown: list[Violation], findings: Findings) -> None:
    for violation in shown:
        text = visible(f"{violation.rule}: {violation.text}")
        click.echo(textwrap.fill(text, COLUMNS, subsequent_indent="  ", break_on_hyphens=False))
    for rule, count in findings.untold.items():
        click.echo(f"{rule}: {count:,} more")
    count = sum(findings.counts.values())
    click.echo(f"{count:,} violation{'s' * (count != 1)}" if shown else "every promise of the outbox holds")


def _object(keys: int, shown: list[Violation], findings: Findings) -> dict[str, object]:
    return {
        "keys": keys,
        "counts": dict(findings.counts),
        "violations": [{"rule": one.rule, "row": one.row, "text": one.text} for one in shown],
    }
