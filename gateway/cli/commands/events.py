"""`gateway events`: what came in, why it went where it went, and another round for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from gateway.admin.timestamps import stamp
from gateway.cli import output
from gateway.cli.command_options import Group, config_option, event_ids, pass_invocation
from gateway.cli.commands.events_replay import erase, release, replay
from gateway.cli.filters import event_filters, known_source, known_type, moment
from gateway.cli.invocation import Invocation
from gateway.cli.rows import delivery_columns, delivery_object, event_object, event_state
from gateway.cli.table import available, table
from gateway.runtime.clock import Clock
from gateway.store.admin.search_budget import listing_budget
from gateway.text.escaping import visible, visible_json

if TYPE_CHECKING:
    from gateway.store.admin.admin import StoreAdmin
    from gateway.store.admin.queries import StoreQueries
    from gateway.store.admin.shown_rows import AttemptRow, DeliveryRow, EventFull, EventRow


TOLD_DELIVERIES_MAX: Final = 50  # whose attempts are told one by one, the newest


@click.group(cls=Group, short_help="What came in: list, show, replay, release, erase.")
def command() -> None:
    """What came in. An event is named by its id, or by the first digits of it (six or more); other content under the same
    id by `id~variant`, as listings show it. `source:` before the id tells sources with the same id apart.

    Read and changed beside a running gateway, which sees a change within a second.
    """


@command.command("list")
@click.option("--held", is_flag=True, help="Only what waits for a person: other content under a known id or signature.")
@event_filters
@click.option("--subject", metavar="GLOB", help="Only of these domain/app/stream, such as '*/live/vip-*'.")
@click.option(
    "--file", metavar="TEXT", help="Only with a file whose name or address holds this, such as lecture-3.mp4."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with those that come, until Ctrl-C; oldest first.")
@output.listing_options
@config_option
@pass_invocation
def list_(
    invocation: Invocation,
    held: bool,
    source: str | None,
    type: str | None,
    subject: str | None,
    stream: str | None,
    since: str | None,
    file: str | None,
    follow: bool,
    as_json: bool,
    limit: int,
    everything: bool,
) -> None:
    """Events, newest first. With --follow a line each as they come, after the newest of --limit, and --json is an object a line."""
    ages = output.Ages(Clock().ms())
    budget = None if everything or follow else listing_budget()
    with invocation.reading() as admin:
        kind, origin, at = known_type(type), known_source(invocation, admin, source), moment(invocation, since)
        criteria: dict[str, Any] = {
            "held": held or None,
            "source": origin,
            "type": kind,
            "subject": subject,
            "stream": stream,
            "since": at,
            "file": file or None,
        }
        if follow:
            with invocation.admin() as followed:
                _follow(invocation, followed, criteria, None if everything else limit, as_json=as_json or everything)
            return
        output.listing(
            lambda limit, before: admin.events(limit=limit, before=before, budget=budget, **criteria),
            lambda row: row.seq,
            {
                "id": lambda row: row.ref,
                "age": lambda row: ages(row.received_at),
                "source": lambda row: row.source,
                "type": lambda row: row.type,
                "subject": lambda row: row.subject,
                "deliveries": event_state,
            },
            event_object,
            prepare=_short(admin),
            budget=budget,
            what="events",
            as_json=as_json,
            limit=limit,
            everything=everything,
        )


def _follow(
    invocation: Invocation, admin: StoreAdmin, criteria: dict[str, Any], count: int | None, *, as_json: bool
) -> None:
    from gateway.admin.stream import NewsFilter
    from gateway.cli.follow import EventFollower
    from gateway.cli.live_lines import LiveLines
    from gateway.cli.watch_loop import follow, news_of

    of = {name: (criteria[name],) for name in ("source", "type") if criteria[name] is not None}
    follow(
        admin,
        news_of(invocation, admin, NewsFilter(types=("event",), **of), attempts=False),
        EventFollower(admin, criteria),
        LiveLines(output.Times(invocation.settings.locale.timezone), as_json=as_json, states=True),
        count=count,
        elsewhere=invocation.remote is not None,
    )


@command.command()
@click.argument("ref", metavar="ID", shell_complete=event_ids)
@click.option("--why", is_flag=True, help="Only why it went where it went: every route, clause by clause.")
@click.option("--json", "as_json", is_flag=True, help="The event's CloudEvents JSON with its deliveries and routes.")
@click.option("--raw", is_flag=True, help="The vendor's bytes as they came. They may hold a valid signature.")
@config_option
@pass_invocation
def show(invocation: Invocation, ref: str, why: bool, as_json: bool, raw: bool) -> None:
    """One event: what happened from the callback to every attempt and what comes next, its normal form, its deliveries, why
    it went there, and what is held beside it."""
    if why + as_json + raw > 1:
        raise click.UsageError("--why, --json and --raw exclude each other")
    with invocation.reading() as admin:
        event = admin.event(ref)
        deliveries = () if why or raw else admin.deliveries(event=event.row.ref, limit=output.PAGE_ROWS)
        held = event.row.held is not None and bool(event.beside) and not (why or raw or as_json)
        first = admin.event(event.beside[0].ref) if held else None
        attempted = [] if as_json else [admin.delivery(row.id) for row in deliveries[:TOLD_DELIVERIES_MAX]]
    if raw:
        if not event.raw:
            output.remark(
                "no bytes are kept of it: no callback brought it, or something is redacted of its source's events"
            )
        sys.stdout.buffer.write(event.raw)
        sys.stdout.flush()
        return
    if as_json:
        shown = event_object(event.row) | {
            "event": json.loads(event.body),
            "routes": json.loads(event.routing),
            "later_routes": [
                {"at": stamp(one.made_at), "by": one.made_by, "routes": json.loads(one.routing)}
                for one in event.verdicts
            ],
            "deliveries": [delivery_object(row) for row in deliveries],
            "beside": [event_object(row) for row in event.beside],
            "children": [event_object(row) for row in event.children],
            "cause": json.loads(event.body).get("cause"),
            "conflicts": event.conflicts,
            "session": event.recording,
        }
        click.echo(visible_json(shown, indent=True))
        return
    when = output.Times(invocation.settings.locale.timezone)
    if not why:
        _print_event(event, when)
        _print_timeline(event, attempted[::-1], when)
        click.echo(visible_json(json.loads(event.body), indent=True))
        click.echo()
        if deliveries:
            columns = {
                name: cell
                for name, cell in delivery_columns(output.Ages(Clock().ms())).items()
                if name not in ("event", "type", "stream", "age")
            }
            table(list(columns), [[cell(row) for cell in columns.values()] for row in deliveries])
            click.echo()
    if first is not None:
        from gateway.cli import difference

        difference.show(first.body, event.body, names=(first.row.ref, event.row.ref))
        click.echo()
    _explain(event, when)


def _short(admin: StoreQueries) -> output.PrepareColumns[EventRow]:
    def prepare(columns: output.TableColumns[EventRow], rows: Sequence[EventRow]) -> output.TableColumns[EventRow]:
        short = admin.short_refs((row.ref, row.id, row.source) for row in rows)
        return {**columns, "id": lambda row: short[row.ref, row.source]}

    return prepare


def _print_timeline(
    event: EventFull, deliveries: Sequence[tuple[DeliveryRow, Sequence[AttemptRow]]], when: output.Times
) -> None:
    from gateway.cli.timeline import detail_of, timeline_lines

    width = available()
    for line in timeline_lines(detail_of(event, deliveries), when, Clock().ms(), width):
        click.echo(line.shown(width))
    click.echo()


def _print_event(event: EventFull, when: output.Times) -> None:
    row = event.row
    output.facts(
        [
            ("id", row.ref),
            ("received", f"{when(row.received_at)} ({output.Ages(Clock().ms())(row.received_at)} ago)"),
            ("source", row.source),
            ("type", row.type),
            ("subject", row.subject),
            ("held", None if row.held is None else f"{row.held}: `gateway events release {row.ref}` delivers it"),
            ("supersedes", row.supersedes and f"{row.supersedes}, whose signature covered less"),
            ("superseded by", row.superseded and f"{row.superseded}, whose signature covered more"),
            ("follows on", _cause(event)),
            (
                "recording",
                event.recording and f"{event.recording}: `gateway recordings show {event.recording}` has it whole",
            ),
            ("vendor's bytes", f"{len(event.raw)} of {event.raw_type} (--raw prints them)" if event.raw else None),
        ]
    )
    for child in event.children:
        click.echo(visible(f"what came of it: {child.ref}, {child.type}, {when(child.received_at)}"))
    for other in event.beside:
        held = f", held as {other.held}" if other.held else ""
        click.echo(visible(f"beside it: {other.ref}, received {when(other.received_at)}{held}"))
    if event.conflicts > len(event.beside):
        click.echo(f"{event.conflicts} other contents came under this id; ten are kept, the others were refused")
    click.echo()


def _cause(event: EventFull) -> str | None:
    """The event this one follows on, and the sink that it came of."""
    cause = json.loads(event.body).get("cause")
    return f"{cause['id']}, in the sink {cause['sink']}" if cause else None


def _explain(event: EventFull, when: output.Times) -> None:
    """What the routes said when it came, and each time that somebody asked them again."""
    from gateway.routing import explain

    later = [(f"asked again by {one.made_by} at {when(one.made_at)}", one.routing) for one in event.verdicts]
    for asked, routing in [("as they were when it came", event.routing), *later]:
        click.echo(visible(f"routes, {asked}:"))
        for line in explain(routing):
            click.echo(visible(f"  {line}"))


for _again in (replay, release, erase):
    command.add_command(_again)
