"""`gateway audit`: what people did to the store and the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from gateway.admin.timestamps import stamp
from gateway.cli import output
from gateway.cli.command_options import Group, config_option, pass_invocation
from gateway.cli.filters import moment
from gateway.cli.invocation import Invocation
from gateway.runtime.clock import Clock

if TYPE_CHECKING:
    from gateway.store.admin.admin import AuditRow


@click.group(cls=Group, short_help="What people did, and who: list.")
def command() -> None:
    """What people did: every retry, cancel, move, replay, release, erasure, pause, resume and reload, and who asked for it.

    It outlives what it was done to, and is never deleted.
    """


@command.command("list")
@click.option("--act", metavar="GLOB", help="Only these acts, such as 'deliveries *' or 'events erase'.")
@click.option("--who", metavar="GLOB", help="Only of these users or tokens.")
@click.option("--target", metavar="NAME", help="Only what was done to this sink, delivery or event.")
@click.option("--since", metavar="WHEN", help="Only since: a time (2026-01-31) or how long ago (90m, 2d).")
@output.listing_options
@config_option
@pass_invocation
def list_(
    invocation: Invocation,
    act: str | None,
    who: str | None,
    target: str | None,
    since: str | None,
    as_json: bool,
    limit: int,
    everything: bool,
) -> None:
    """Acts, newest first. `done` is how many of those that matched it was done to."""
    at = moment(invocation, since)
    ages = output.Ages(Clock().ms())
    with invocation.reading() as admin:
        output.listing(
            lambda limit, before: admin.audit(act=act, actor=who, target=target, since=at, limit=limit, before=before),
            lambda row: row.id,
            {
                "age": lambda row: ages(row.at),
                "who": lambda row: row.actor,
                "act": lambda row: row.act,
                "target": lambda row: row.target,
                "done": lambda row: str(row.done) if row.done == row.matched else f"{row.done} of {row.matched}",
                "result": lambda row: row.result,
            },
            _object,
            what="acts",
            as_json=as_json,
            limit=limit,
            everything=everything,
        )


def _object(row: AuditRow) -> Mapping[str, object]:
    return {
        "id": row.id,
        "at": stamp(row.at),
        "who": row.actor,
        "from": row.place,
        "act": row.act,
        "target": row.target,
        "filter": row.filter,
        "matched": row.matched,
        "done": row.done,
        "result": row.result,
    }
