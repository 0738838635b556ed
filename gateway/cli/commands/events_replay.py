"""`gateway events replay|release|erase`: another round, an end to a hold, an end to an event."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from gateway.cli.bulk import each
from gateway.cli.context import Site, config_option, pass_site

if TYPE_CHECKING:
    from gateway.store.records import EventFull


@click.command()
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

    def again(ref: str) -> str:
        wanted = to
        routing: str | None = None
        event = desk.event(ref)
        if event.row.held is not None:
            raise click.ClickException(f"{event.row.ref} is held ({event.row.held}); release it instead")
        if wanted is None and (reroute or not any(event.row.deliveries.values())):
            wanted, routing = _routed(site, event)
        rows = desk.replay(event.row.ref, sinks=wanted, routing=routing)
        return f"to {', '.join(row.sink for row in rows)}" if rows else "nothing to do: no sink, or still on its way"

    with site.desk() as desk:
        each(_refs(refs), again, "replaying")


@click.command()
@click.argument("refs", metavar="ID...", nargs=-1, required=True)
@config_option
@pass_site
def release(site: Site, refs: tuple[str, ...]) -> None:
    """Deliver held events after all, by today's routes. Compare them first: `gateway events show ID`."""

    def let_go(ref: str) -> str:
        event = desk.event(ref)
        if event.row.held is None:
            raise click.ClickException(f"{event.row.ref} is not held")
        sinks, _ = _routed(site, event)
        rows = desk.release(event.row.ref, sinks)
        return f"released to {', '.join(row.sink for row in rows)}" if rows else "released; no route wants it"

    with site.desk() as desk:
        each(_refs(refs), let_go, "releasing")


@click.command()
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

    def forget(ref: str) -> str:
        desk.erase(ref)
        return "erased"

    with site.desk() as desk:
        each(chosen, forget, "erasing")


def _routed(site: Site, event: EventFull) -> tuple[Sequence[str], str]:
    """What today's routes say about a stored event: sinks, and the verdict to store."""
    from gateway.events.cloudevents import from_document

    decision = site.router.decide(from_document(json.loads(event.body), event.raw))
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
