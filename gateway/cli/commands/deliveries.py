"""`gateway deliveries`: what goes out, what came back, when the next try is and what it waits for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from gateway.cli import output
from gateway.cli.bulk_progress import ANSWERS_SHOWN_MAX, agreed, bulk_options, finish, watched
from gateway.cli.command_options import Choice, Group, config_option, event_ids, names, pass_invocation
from gateway.cli.filters import delivery_filter, event_filters
from gateway.cli.invocation import Invocation
from gateway.cli.rows import attempt_object, delivery_columns, delivery_object, delivery_state, short_events
from gateway.cli.table import table
from gateway.runtime.clock import Clock
from gateway.states import DELIVERY_STATES, DeliveryState
from gateway.store.admin.search_budget import listing_budget
from gateway.text.escaping import visible_json

if TYPE_CHECKING:
    from gateway.store.admin.admin import DeliveryFilter, StoreAdmin


@click.group(cls=Group, short_help="What goes out: list, show, retry, cancel, move.")
def command() -> None:
    """What goes out: one delivery for each event and sink.

    Read and changed beside a running gateway, which sees a change within a second.
    """


@command.command("list")
@click.option("--event", metavar="ID", shell_complete=event_ids, help="Only of this event.")
@click.option("--sink", metavar="NAME", shell_complete=names("sinks"), help="Only to this sink.")
@click.option("--state", type=Choice(DELIVERY_STATES), help="Only in this state.")
@event_filters
@output.listing_options
@config_option
@pass_invocation
def list_(
    invocation: Invocation,
    /,
    state: DeliveryState | None,
    as_json: bool,
    limit: int,
    everything: bool,
    **asked: str | None,
) -> None:
    """Deliveries, newest first. `held` says what a waiting one waits for, `reason` why a dead one is dead."""
    budget = None if everything else listing_budget()
    with invocation.reading() as admin:
        filter = delivery_filter(invocation, admin, state=state, **asked)
        output.listing(
            lambda limit, before: admin.deliveries(filter, limit=limit, before=before, budget=budget),
            lambda row: row.id,
            delivery_columns(output.Ages(Clock().ms())),
            delivery_object,
            prepare=short_events(admin),
            budget=budget,
            what="deliveries",
            as_json=as_json,
            limit=limit,
            everything=everything,
        )


@command.command()
@click.argument("id", type=int)
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@config_option
@pass_invocation
def show(invocation: Invocation, id: int, as_json: bool) -> None:
    """One delivery with every attempt: when, how long, what came back."""
    with invocation.reading() as admin:
        row, attempts = admin.delivery(id)
    if as_json:
        click.echo(
            visible_json(
                {**delivery_object(row), "history": [attempt_object(attempt) for attempt in attempts]}, indent=True
            )
        )
        return
    when = output.Times(invocation.settings.locale.timezone)
    output.facts(
        [
            ("id", row.id),
            ("event", row.event_ref),
            ("type", row.type),
            ("subject", row.subject),
            ("source", row.source),
            ("received", when(row.received_at)),
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
        table(
            ["attempt", "started", "took", "outcome", "status", "detail"],
            [
                [
                    str(attempt.number),
                    when(attempt.started_at),
                    f"{attempt.took_ms / 1000:.3f} s",
                    attempt.outcome.value,
                    "" if attempt.status is None else str(attempt.status),
                    attempt.detail,
                ]
                for attempt in attempts
            ],
        )


def _chosen_by(command: Callable[..., object]) -> Callable[..., object]:
    """What names the deliveries of a bulk act: ids, or a sink and filters."""
    command = event_filters(command)
    command = click.option(
        "--sink",
        metavar="NAME",
        shell_complete=names("sinks"),
        help="All of this sink, also of one not configured any more.",
    )(command)
    return click.argument("ids", metavar="[ID...]", nargs=-1, type=int)(command)


@command.command()
@_chosen_by
@bulk_options
@config_option
@pass_invocation
def retry(invocation: Invocation, /, ids: tuple[int, ...], yes: bool, dry_run: bool, **asked: str | None) -> None:
    """Try again: a waiting delivery now, a dead or delivered one in a new round.

    After a target was mended: `gateway deliveries retry --sink NAME` brings back everything that died on the way to it.
    """
    with invocation.admin() as admin:
        filter, chosen = _chosen(invocation, admin, ids, asked, "dead")
        question = f"{_count(chosen, 'dead')}{_filter_text(filter)} will be tried again."
        if not chosen or not agreed(question, len(chosen), yes=yes or filter is None, dry_run=dry_run, always=False):
            return
        with watched(len(chosen), "retrying") as watcher:
            total = admin.retry_many(chosen, filter=filter, watcher=watcher)
    finish(total)


@command.command()
@_chosen_by
@bulk_options
@config_option
@pass_invocation
def cancel(invocation: Invocation, /, ids: tuple[int, ...], yes: bool, dry_run: bool, **asked: str | None) -> None:
    """Give up: the delivery is dead with reason `cancelled`; `retry` or a replay brings it back."""
    with invocation.admin() as admin:
        filter, chosen = _chosen(invocation, admin, ids, asked, "waiting")
        question = f"{_count(chosen, 'waiting')}{_filter_text(filter)} will be given up."
        if not chosen or not agreed(question, len(chosen), yes=yes or filter is None, dry_run=dry_run, always=True):
            return
        with watched(len(chosen), "cancelling") as watcher:
            total = admin.cancel_many(chosen, filter=filter, watcher=watcher)
    finish(total)


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
@bulk_options
@config_option
@pass_invocation
def move(invocation: Invocation, sink: str, target: str, yes: bool, dry_run: bool) -> None:
    """Give everything that waits for SINK to another one, for a sink that was renamed or is gone.

    A delivery whose event the other sink has already is cancelled. What it would do is said first, and asked.
    """
    invocation.must_be_well()
    invocation.sink(target)
    if sink == target:
        raise click.UsageError(f"{sink} and --to {target} are the same sink")
    with invocation.admin() as admin:
        filter = delivery_filter(invocation, admin, sink=sink, state="waiting")
        chosen = admin.choose(filter)
        there = admin.already_there(chosen, target)
        question = (
            f"{len(chosen) - there} of {len(chosen)} waiting deliveries will move from {sink} to {target}; "
            f"{there} will be cancelled, because {target} has their event already."
        )
        if not chosen:
            click.echo(f"no waiting deliveries to {sink}")
        if not agreed(question, len(chosen), yes=yes, dry_run=dry_run and bool(chosen), always=True):
            return
        with watched(ANSWERS_SHOWN_MAX + 1 + len(chosen), "moving") as watcher:  # never one by one
            total = admin.move(sink, target, deliveries=chosen, watcher=watcher)
    texts = [answer.text for answer in total.answers if answer.well]
    finish(total, f"{texts.count('moved')} moved from {sink} to {target}, {texts.count('cancelled')} cancelled")


def _chosen(
    invocation: Invocation, admin: StoreAdmin, ids: Sequence[int], asked: Mapping[str, str | None], state: DeliveryState
) -> tuple[DeliveryFilter | None, Sequence[int]]:
    """The deliveries that were named, or those that a filter chooses now."""
    filtered = {name: value for name, value in asked.items() if value is not None}
    if bool(ids) == bool(filtered):
        raise click.UsageError("name deliveries by ID, or choose them with --sink, --type, --source, --stream, --since")
    if ids:
        return None, ids
    filter = delivery_filter(invocation, admin, state=state, **filtered)
    found = admin.choose(filter)
    if not found:
        output.remark(f"no {state} deliveries{_filter_text(filter)}")
    return filter, found


def _count(ids: Sequence[int], state: DeliveryState) -> str:
    return f"{len(ids)} {state} {'delivery' if len(ids) == 1 else 'deliveries'}"


def _filter_text(filter: DeliveryFilter | None) -> str:
    if filter is None:
        return ""
    said = {name: value for name, value in filter.criteria().items() if name not in {"sink", "state", "since"}}
    rest = "".join(f", {name} {value}" for name, value in said.items())
    return f"{'' if filter.sink is None else f' to {filter.sink}'}{rest}"
