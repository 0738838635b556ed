"""`gateway store`: the store at a glance, and its tables brought up to this program."""

from __future__ import annotations

import click

from gateway.cli import output
from gateway.cli.context import Group, Site, config_option, pass_site
from gateway.text.escaping import to_json


@click.group(cls=Group, short_help="The store: status, migrate.")
def command() -> None:
    """The store of this configuration."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@config_option
@pass_site
def status(site: Site, as_json: bool) -> None:
    """What the store holds: events, what waits, what is dead, its size and its schema."""
    with site.desk() as desk:
        found = desk.status()
    if as_json:
        click.echo(
            to_json(
                {
                    "url": found.url,
                    "schema": found.schema,
                    "events": found.events,
                    "held": found.held,
                    "waiting": found.waiting,
                    "dead": found.dead,
                    "refused": found.refused,
                    "oldest_waiting_at": output.stamp(found.oldest_waiting_at),
                    "size_bytes": found.size_bytes,
                    "details": dict(found.details),
                },
                indent=True,
            )
        )
        return
    when = output.Times(site.settings.locale.timezone)
    output.facts(
        [
            ("store", found.url),
            ("schema", found.schema),
            ("events", found.events),
            ("held", found.held),
            ("waiting", found.waiting),
            ("oldest waiting", when(found.oldest_waiting_at)),
            ("dead", found.dead),
            ("refused", found.refused),
            ("size", "" if found.size_bytes is None else f"{found.size_bytes:,} bytes"),
            *found.details.items(),
        ]
    )


@command.command()
@config_option
@pass_site
def migrate(site: Site) -> None:
    """Bring the tables to this program's schema. `serve` does so too when it starts; this is for doing it before."""
    with site.desk() as desk:
        before, after = desk.migrate()
    click.echo(f"schema {after} already" if before == after else f"schema {before} to {after}")
