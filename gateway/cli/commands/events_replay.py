"""`gateway events replay|release|erase`: another round, an end to a hold, an end to an event."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import click

from gateway.cli import output
from gateway.cli.bulk_progress import agreed, bulk_options, finish, watched
from gateway.cli.command_options import config_option, event_ids, names, pass_invocation
from gateway.cli.filters import event_filters, known_source, known_type, moment
from gateway.cli.invocation import Invocation

PAGE_ROWS: Final = 200  # of one question for what is meant


@click.command()
@click.argument("refs", metavar="ID...", nargs=-1, required=True, shell_complete=event_ids)
@click.option(
    "--to",
    "sinks",
    multiple=True,
    metavar="SINK",
    shell_complete=names("sinks"),
    help="Only to this sink, whether a route wants it or not. Repeatable.",
)
@click.option("--reroute", is_flag=True, help="To the sinks that today's routes name.")
@bulk_options
@config_option
@pass_invocation
def replay(
    invocation: Invocation, refs: tuple[str, ...], sinks: tuple[str, ...], reroute: bool, yes: bool, dry_run: bool
) -> None:
    """Deliver events once more: the same id, a new signature, and a mark that says so.

    Without options to the sinks of the first time; an event that no route wanted goes by today's routes. What is still
    on its way is left alone. With `-` as the only ID they are read from standard input, one a line, or as
    `gateway events list --all` prints them.
    """
    if sinks and reroute:
        raise click.UsageError("--to and --reroute exclude each other")
    invocation.must_be_well()
    to: Sequence[str] | None = [invocation.sink(name) for name in sinks] or None
    chosen = _refs(refs)
    question = f"{_count(chosen)} will be delivered once more."
    if not agreed(question, len(chosen), yes=yes or len(chosen) == 1, dry_run=dry_run, always=False):
        return
    with invocation.admin() as admin, watched(len(chosen), "replaying") as watcher:
        total = admin.replay_many(chosen, sinks=to, route=invocation.route(), reroute=reroute, watcher=watcher)
    finish(total)


@click.command()
@click.argument("refs", metavar="ID...", nargs=-1, required=True, shell_complete=event_ids)
@bulk_options
@config_option
@pass_invocation
def release(invocation: Invocation, refs: tuple[str, ...], yes: bool, dry_run: bool) -> None:
    """Deliver held events after all, by today's routes. Compare them first: `gateway events show ID`."""
    invocation.must_be_well()
    chosen = _refs(refs)
    question = f"{_count(chosen)} will be held no more and delivered."
    if not agreed(question, len(chosen), yes=yes or len(chosen) == 1, dry_run=dry_run, always=False):
        return
    with invocation.admin() as admin, watched(len(chosen), "releasing") as watcher:
        total = admin.release_many(chosen, route=invocation.route(), watcher=watcher)
    finish(total)


@click.command()
@click.argument("refs", metavar="[ID...]", nargs=-1, shell_complete=event_ids)
@event_filters
@click.option("--until", metavar="WHEN", help="Only of events that came before: as --since.")
@bulk_options
@config_option
@pass_invocation
def erase(
    invocation: Invocation,
    refs: tuple[str, ...],
    type: str | None,
    source: str | None,
    stream: str | None,
    since: str | None,
    until: str | None,
    yes: bool,
    dry_run: bool,
) -> None:
    """Delete events with everything that was kept of them, and cancel what is on its way. It cannot be undone.

    Events are named by their ids, or meant by options: all that fit and are there when the command begins, the oldest
    first, each in a transaction of its own. What is erased when it is stopped stays erased.

    The id stays remembered for `store.remember`, so that the vendor's repeat does not bring the event back. Where erasing
    cannot reach, docs/operations.md says: the sinks that have it, backups, the log of a PostgreSQL server.
    """
    asked = {"type": type, "source": source, "stream": stream, "since": since, "until": until}
    meant = {name: value for name, value in asked.items() if value is not None}
    if bool(refs) == bool(meant):
        raise click.UsageError(
            "name events by their ids, or say which are meant (--stream, --source, --type, --since, --until)"
        )
    invocation.must_be_well()  # because it decides which refused callbacks are the event's too
    chosen = _refs(refs) if refs else _fitting(invocation, meant)
    question = f"{_count(chosen)} will be erased for ever."
    if not chosen:
        click.echo("no event fits")
        return
    if not agreed(question, len(chosen), yes=yes, dry_run=dry_run, always=True):
        return
    with invocation.admin() as admin:
        with watched(len(chosen), "erasing") as watcher:
            total = admin.erase(chosen, ids=invocation.ids(), asked=meant or None, watcher=watcher)
        if total.done and not admin.scrub():
            output.remark(
                "erased; a reader still holds the store's write-ahead log, and the gateway empties it as soon as it can"
            )
    finish(total)


def _fitting(invocation: Invocation, meant: Mapping[str, str]) -> Sequence[str]:
    """The names of the events that are meant now, the oldest first."""
    found: list[str] = []
    with invocation.admin() as admin:
        kind, origin = known_type(meant.get("type")), known_source(invocation, admin, meant.get("source"))
        since, until = moment(invocation, meant.get("since")), moment(invocation, meant.get("until"), "--until ")
        stream = meant.get("stream")
        before: int | None = None
        while rows := admin.events(
            limit=PAGE_ROWS, before=before, type=kind, source=origin, stream=stream, since=since, until=until
        ):
            found += [row.name for row in rows]
            before = rows[-1].seq
    return found[::-1]


def _count(refs: Sequence[str]) -> str:
    return f"{len(refs)} event{'' if len(refs) == 1 else 's'}"


def _refs(given: Iterable[str]) -> Sequence[str]:
    """The ids that were named; `-`: those on standard input, bare or in the JSON lines of a listing."""
    named = list(given)
    if named != ["-"]:
        return named
    refs = []
    for line in sys.stdin:
        text = line.strip()
        if text.startswith("{"):
            try:
                entry = json.loads(text)
                refs.append(str(entry.get("ref") or entry["event_id"]))
            except (ValueError, KeyError):
                raise click.UsageError(
                    f"standard input: neither an id nor a line of `events list --all`: {text}"
                ) from None
        elif text:
            refs.append(text)
    return refs
