"""`gateway status`: one screen that says whether it runs, what goes through it, and whether a person is needed."""

from __future__ import annotations

import click

from gateway.cli import output
from gateway.cli.command_options import config_option, pass_invocation
from gateway.cli.invocation import Invocation
from gateway.cli.table import available
from gateway.text.escaping import visible_json


@click.command(short_help="One screen: does it run, what goes in and out, what needs a person.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object, as GET /overview of the admin API.")
@click.option("-q", "--quiet", is_flag=True, help="Only the exit code.")
@config_option
@pass_invocation
def command(invocation: Invocation, as_json: bool, quiet: bool) -> None:
    """One screen: does it run and since when, what came in and went out, what waits, what needs a person.

    It reads the store beside the gateway, so it answers whether one runs or not. Exit code 0: nothing needs a person;
    1: something does (a sink that is down, paused or behind, dead letters, held events, a key that is about to end, a
    silent source, a full store, a refused configuration, no gateway that runs), or nobody can say, because the store or
    the gateway elsewhere does not answer.
    """
    with invocation.glance() as service:
        seen = service.overview("1h")
    if as_json:
        click.echo(visible_json(seen.model_dump(mode="json", by_alias=True), indent=True))
    elif not quiet:
        from gateway.cli.overview_lines import status_lines

        width = available()
        for line in status_lines(seen, output.Times(invocation.settings.locale.timezone), width):
            click.echo(line.shown(width))
    if seen.attention:
        raise click.exceptions.Exit(1)
