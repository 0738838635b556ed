"""`gateway store`: the store at a glance, and its tables brought up to this program."""

from __future__ import annotations

import click

from gateway.admin.timestamps import stamp
from gateway.cli import output
from gateway.cli.command_options import Group, config_option, local_option, pass_invocation, pass_local
from gateway.cli.commands.store_doctor import doctor
from gateway.cli.commands.store_keys import keys, reencrypt
from gateway.cli.commands.store_transfer import backup, copy, export, import_
from gateway.cli.commands.store_verify import command as verify
from gateway.cli.invocation import Invocation
from gateway.text.escaping import visible_json


@click.group(
    cls=Group, short_help="The store: status, doctor, verify, backup, export, import, copy, keys, reencrypt, migrate."
)
def command() -> None:
    """The store of this configuration."""


for one in (doctor, verify, backup, export, import_, copy, keys, reencrypt):
    command.add_command(one)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@config_option
@pass_invocation
def status(invocation: Invocation, as_json: bool) -> None:
    """What the store holds: events, what waits, what is dead, its size and its schema."""
    with invocation.admin() as admin:
        snapshot = admin.status()
    if as_json:
        click.echo(
            visible_json(
                {
                    "url": snapshot.url,
                    "schema": snapshot.schema,
                    "events": snapshot.events,
                    "held": snapshot.held_events,
                    "waiting": snapshot.waiting,
                    "dead": snapshot.dead,
                    "refused": snapshot.refused,
                    "oldest_waiting_at": stamp(snapshot.oldest_waiting_at),
                    "size_bytes": snapshot.size_bytes,
                    "details": dict(snapshot.details),
                },
                indent=True,
            )
        )
        return
    when = output.Times(invocation.settings.locale.timezone)
    output.facts(
        [
            ("store", snapshot.url),
            ("schema", snapshot.schema),
            ("events", snapshot.events),
            ("held", snapshot.held_events),
            ("waiting", snapshot.waiting),
            ("oldest waiting", when(snapshot.oldest_waiting_at)),
            ("dead", snapshot.dead),
            ("refused", snapshot.refused),
            ("size", "" if snapshot.size_bytes is None else f"{snapshot.size_bytes:,} bytes"),
            *snapshot.details.items(),
        ]
    )


@command.command()
@local_option
@pass_local
def migrate(invocation: Invocation) -> None:
    """Bring the tables to this program's schema. `serve` does so too when it starts; this is for doing it before."""
    with invocation.admin() as admin:
        before, after = admin.migrate()
    click.echo(f"schema {after} already" if before == after else f"schema {before} to {after}")
