"""`gateway deliveries`: what goes out, what came back, when the next try is and what it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import output
from gateway.cli.bulk import each
from gateway.cli.context import Site, config_option, names, pass_site
from gateway.cli.rows import attempt_object, delivery_columns, delivery_object, delivery_state
from gateway.text.escaping import to_json

if TYPE_CHECKING:
    from gateway.store.admin.admin import Desk

STATES: Final = ("waiting", "sending", "delivered", "dead")


@click.group(short_help="What goes out: list, show, retry, cancel, move.")
def command() -> None:
    """What goes out: one delivery for each event and sink.

    Read and changed beside a running gateway, which sees a change within a second.
    """


@command.command("list")
@click.option("--event", metavar="ID", help="Only of this event.")
@click.option("--sink", metavar="NAME", shell_complete=names("sinks"), help="Only to this sink.")
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@output.listing_options
@config_option
@pass_site
def list_(
    site: Site, event: str | None, sink: str | None, state: str | None, as_json: bool, limit: int, everything: bool
) -> None:
    """Deliveries, newest first. `held` says what a waiting one waits for, `reason` why a dead one is dead."""
    with site.desk() as desk:
        output.listing(
            lambda limit, before: desk.deliveries(event=event, sink=sink, state=state, limit=limit, before=before),
            lambda row: row.id,
            delivery_columns(output.Times(site.settings.locale.timezone)),
            delivery_object,
            what="deliveries",
            as_json=as_json,
            limit=limit,
            everything=everything,
        )


@command.command()
@click.argument("id", type=int)
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@config_option
@pass_site
def show(site: Site, id: int, as_json: bool) -> None:
    """One delivery with every attempt: when, how long, what came back."""
    with site.desk() as desk:
        row, attempts = desk.delivery(id)
    if as_json:
        click.echo(to_json({**delivery_object(row), "history": [attempt_object(one) for one in attempts]}, indent=True))
        return
    when = output.Times(site.settings.locale.timezone)
    output.facts(
        [
            ("id", row.id),
            ("event", row.event_ref),
            ("sink", row.sink),
            ("state", delivery_state(row)),
            ("attempts", f"{row.attempts}{f' (round {row.round + 1})' if row.round else ''}"),
            ("next try", when(row.next_attempt_at)),
            ("finished", when(row.finished_at)),
            ("last error", row.last_error),
        ]
    )
    if attempts:
        click.echo()
        output.table(
            ["attempt", "started", "took", "outcome", "status", "detail"],
            [
                [
                    str(one.number),
                    when(one.started_at),
                    f"{one.took_ms / 1000:.3f} s",
                    one.outcome.value,
                    "" if one.status is None else str(one.status),
                    one.detail,
                ]
                for one in attempts
            ],
        )


@command.command()
@click.argument("ids", metavar="ID...", nargs=-1, type=int)
@click.option("--sink", metavar="NAME", shell_complete=names("sinks"), help="Every dead delivery of this sink.")
@config_option
@pass_site
def retry(site: Site, ids: tuple[int, ...], sink: str | None) -> None:
    """Try again: a waiting delivery now, a dead or delivered one in a new round.

    After a target was mended: `gateway deliveries retry --sink NAME` brings back everything that died on the way to it.
    """
    with site.desk() as desk:
        each(_chosen(desk, ids, sink, "dead"), desk.retry, "retrying")


@command.command()
@click.argument("ids", metavar="ID...", nargs=-1, type=int)
@click.option(
    "--sink",
    metavar="NAME",
    shell_complete=names("sinks"),
    help="Every waiting delivery of this sink, also of one not configured any more.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@config_option
@pass_site
def cancel(site: Site, ids: tuple[int, ...], sink: str | None, yes: bool) -> None:
    """Give up: the delivery is dead with reason `cancelled`; `retry` or a replay brings it back."""
    with site.desk() as desk:
        chosen = _chosen(desk, ids, sink, "waiting")
        if sink is not None and chosen and not yes:
            click.confirm(f"Cancel {len(chosen)} waiting deliveries to {sink}?", abort=True, err=True)
        each(chosen, desk.cancel, "cancelling")


@command.command()
@click.argument("sink")
@click.option(
    "--to",
    "target",
    required=True,
    metavar="SINK",
    shell_complete=names("sinks"),
    help="The configured sink that gets them.",
)
@config_option
@pass_site
def move(site: Site, sink: str, target: str) -> None:
    """Give everything that waits for SINK to another one, for a sink that was renamed or is gone.

    A delivery whose event the other sink has already is cancelled.
    """
    site.sink(target)
    if sink == target:
        raise click.UsageError(f"{sink} and --to {target} are the same sink")
    with site.desk() as desk:
        moved = desk.move(sink, target)
    click.echo(f"{moved} moved from {sink} to {target}")


def _chosen(desk: Desk, ids: Sequence[int], sink: str | None, state: str) -> Sequence[int]:
    if bool(ids) == (sink is not None):
        raise click.UsageError("name deliveries by ID, or all of one sink with --sink")
    if sink is None:
        return ids
    found: list[int] = []
    before: int | None = None
    while page := desk.deliveries(sink=sink, state=state, limit=output.PAGE, before=before):
        found += [row.id for row in page]
        before = page[-1].id
    if not found:
        output.note(f"no {state} deliveries to {sink}")
    return found[::-1]  # oldest first, as they came
