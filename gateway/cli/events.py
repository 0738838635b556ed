"""`gateway events`: what came in, why it went where it went, and another round for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import screen
from gateway.cli.deliveries import as_object as delivery_object
from gateway.cli.deliveries import delivery_columns
from gateway.cli.site import Site, config_option, names, pass_site
from gateway.errors import GatewayError
from gateway.visible import to_json, visible

if TYPE_CHECKING:
    from gateway.store.desk import Desk
    from gateway.store.records import EventFull, EventRow


@click.group(short_help="What came in: list, show, replay, release, erase.")
def command() -> None:
    """What came in. An event is named by its id, or by the first digits of it (six or more).

    Read and changed beside a running gateway, which sees a change within a second.
    """


@command.command("list")
@click.option("--held", is_flag=True, help="Only what waits for a person: other content under a known id or signature.")
@click.option("--source", metavar="NAME", shell_complete=names("sources"), help="Only of this source.")
@click.option("--type", metavar="GLOB", help="Only of these types, such as 'recording.file.*'.")
@click.option("--subject", metavar="GLOB", help="Only of these domain/app/stream, such as '*/live/vip-*'.")
@screen.listing_options
@config_option
@pass_site
def list_(
    site: Site,
    held: bool,
    source: str | None,
    type: str | None,
    subject: str | None,
    as_json: bool,
    limit: int,
    everything: bool,
) -> None:
    """Events, newest first."""
    when = screen.Times(site.settings.locale.timezone)
    with site.desk() as desk:
        screen.listing(
            lambda limit, before: desk.events(
                held=held, source=source, type=type, subject=subject, limit=limit, before=before
            ),
            lambda row: row.seq,
            {
                "id": lambda row: row.ref,
                "received": lambda row: when(row.received_at),
                "source": lambda row: row.source,
                "type": lambda row: row.type,
                "subject": lambda row: row.subject,
                "deliveries": _state,
            },
            _object,
            what="events",
            as_json=as_json,
            limit=limit,
            everything=everything,
        )


@command.command()
@click.argument("ref", metavar="ID")
@click.option("--why", is_flag=True, help="Only why it went where it went: every route, clause by clause.")
@click.option("--json", "as_json", is_flag=True, help="The event's CloudEvents JSON with its deliveries and routes.")
@click.option("--raw", is_flag=True, help="The vendor's bytes as they came. They may hold a valid signature.")
@config_option
@pass_site
def show(site: Site, ref: str, why: bool, as_json: bool, raw: bool) -> None:
    """One event: its normal form, its deliveries, why it went there, and what is held beside it."""
    if why + as_json + raw > 1:
        raise click.UsageError("--why, --json and --raw exclude each other")
    with site.desk() as desk:
        event = desk.event(ref)
        deliveries = () if why or raw else desk.deliveries(event=ref, limit=screen.PAGE)
    if raw:
        sys.stdout.buffer.write(event.raw)
        sys.stdout.flush()
        return
    if as_json:
        shown = _object(event.row) | {
            "event": json.loads(event.body),
            "routes": json.loads(event.routing),
            "deliveries": [delivery_object(row) for row in deliveries],
            "beside": [_object(row) for row in event.beside],
            "conflicts": event.conflicts,
        }
        click.echo(to_json(shown, indent=True))
        return
    when = screen.Times(site.settings.locale.timezone)
    if not why:
        _tell(event, when)
        click.echo(to_json(json.loads(event.body), indent=True))
        click.echo()
        if deliveries:
            columns = delivery_columns(when)
            screen.table(list(columns), [[cell(row) for cell in columns.values()] for row in deliveries])
            click.echo()
    _explain(event)


def _tell(event: EventFull, when: screen.Times) -> None:
    row = event.row
    screen.facts(
        [
            ("id", row.ref),
            ("received", when(row.received_at)),
            ("source", row.source),
            ("type", row.type),
            ("subject", row.subject),
            ("held", None if row.held is None else f"{row.held}: `gateway events release {row.ref}` delivers it"),
            ("vendor's bytes", f"{len(event.raw)} of {event.raw_type} (--raw prints them)"),
        ]
    )
    for other in event.beside:
        held = f", held as {other.held}" if other.held else ""
        click.echo(visible(f"beside it: {other.ref}, received {when(other.received_at)}{held}"))
    if event.conflicts > len(event.beside):
        click.echo(f"{event.conflicts} other contents were seen under this id; the first ten are kept")
    click.echo()


def _explain(event: EventFull) -> None:
    from gateway.routing import explain

    click.echo("routes, as they were when it came:")
    lines = list(explain(event.routing))
    for line in lines:
        click.echo(visible(f"  {line}"))
    if not lines:
        click.echo("  none is configured")


@command.command()
@click.argument("refs", metavar="ID...", nargs=-1, required=True)
@click.option(
    "--to",
    "sinks",
    multiple=True,
    metavar="SINK",
    help="Only to this sink, whether a route wants it or not. Repeatable.",
)
@click.option("--reroute", is_flag=True, help="To the sinks that today's routes name.")
@config_option
@pass_site
def replay(site: Site, refs: tuple[str, ...], sinks: tuple[str, ...], reroute: bool) -> None:
    """Deliver events once more: the same id, a new signature, and a mark that says so.

    Without options to the sinks of the first time; an event that no route wanted goes by today's routes. What is still
    on its way is left alone. With `-` as the only ID they are read from standard input, one a line, or as
    `gateway events list --all` prints them.
    """
    if sinks and reroute:
        raise click.UsageError("--to and --reroute exclude each other")
    to: Sequence[str] | None = [site.sink(name) for name in sinks] or None

    def again(desk: Desk, ref: str) -> str:
        wanted = to
        routing: str | None = None
        event = desk.event(ref)
        if event.row.held is not None:
            raise click.ClickException(f"{event.row.ref} is held ({event.row.held}); release it instead")
        if wanted is None and (reroute or not event.row.deliveries):
            wanted, routing = _routed(site, event)
        rows = desk.replay(event.row.ref, sinks=wanted, routing=routing)
        return f"to {', '.join(row.sink for row in rows)}" if rows else "nothing to do: no sink, or still on its way"

    _each(site, _refs(refs), again, "replaying")


@command.command()
@click.argument("refs", metavar="ID...", nargs=-1, required=True)
@config_option
@pass_site
def release(site: Site, refs: tuple[str, ...]) -> None:
    """Deliver held events after all, by today's routes. Compare them first: `gateway events show ID`."""

    def let_go(desk: Desk, ref: str) -> str:
        event = desk.event(ref)
        if event.row.held is None:
            raise click.ClickException(f"{event.row.ref} is not held")
        sinks, _ = _routed(site, event)
        rows = desk.release(event.row.ref, sinks)
        return f"released to {', '.join(row.sink for row in rows)}" if rows else "released; no route wants it"

    _each(site, _refs(refs), let_go, "releasing")


@command.command()
@click.argument("refs", metavar="ID...", nargs=-1, required=True)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@config_option
@pass_site
def erase(site: Site, refs: tuple[str, ...], yes: bool) -> None:
    """Delete events with everything that was kept of them, and cancel what is on its way. It cannot be undone.

    The id stays remembered for `store.remember`, so that the vendor's repeat does not bring the event back.
    """
    chosen = list(_refs(refs))
    if not yes:
        click.confirm(f"Erase {len(chosen)} event{'' if len(chosen) == 1 else 's'} for ever?", abort=True, err=True)

    def forget(desk: Desk, ref: str) -> str:
        desk.erase(ref)
        return "erased"

    _each(site, chosen, forget, "erasing")


def _routed(site: Site, event: EventFull) -> tuple[Sequence[str], str]:
    """What today's routes say about a stored event: sinks, and the verdict to store."""
    from gateway.cloudevents import from_document
    from gateway.routing import Router

    decision = Router(site.settings.routes).decide(from_document(json.loads(event.body), event.raw))
    return decision.sinks, decision.json()


def _refs(given: Iterable[str]) -> Sequence[str]:
    """The ids that were named; `-`: those on standard input, bare or in the JSON lines of a listing."""
    named = list(given)
    if named != ["-"]:
        return named
    found = []
    for line in sys.stdin:
        text = line.strip()
        if text.startswith("{"):
            try:
                entry = json.loads(text)
                found.append(str(entry.get("ref") or entry["event_id"]))
            except (ValueError, KeyError):
                raise click.UsageError(
                    f"standard input: neither an id nor a line of `events list --all`: {text}"
                ) from None
        elif text:
            found.append(text)
    return found


def _each(site: Site, refs: Sequence[str], act: Any, label: str) -> None:
    """Do it to each, go on after one that fails, and exit 1 if any did."""
    failed = 0
    with site.desk() as desk, screen.progress(len(refs), label) as bar:
        for ref in refs:
            try:
                said = act(desk, ref)
            except click.UsageError:
                raise
            except (click.ClickException, GatewayError) as error:
                failed += 1
                screen.note(f"error: {ref}: {error}")
            else:
                if bar.hidden:
                    click.echo(visible(f"{ref}: {said}"))
            bar.update(1)
    if failed:
        raise click.exceptions.Exit(1)


def _object(row: EventRow) -> dict[str, Any]:
    return {
        "ref": row.ref,
        "id": row.id,
        "source": row.source,
        "type": row.type,
        "subject": row.subject,
        "received_at": screen.stamp(row.received_at),
        "held": None if row.held is None else row.held.value,
        "deliveries": dict(row.deliveries),
    }


def _state(row: EventRow) -> str:
    if row.held is not None:
        return f"held: {row.held}"
    return ", ".join(f"{count} {state}" for state, count in row.deliveries.items() if count) or "no route"
