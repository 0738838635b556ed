"""`gateway events replay|release|erase`: another round, an end to a hold, an end to an event."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

import click

from gateway.cli import output
from gateway.cli.bulk_progress import agreed, bulk_options, finish, watched
from gateway.cli.context import config_option, event_ids, names, pass_invocation
from gateway.cli.invocation import Invocation


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
    chosen = _refs(refs)
    question = f"{_count(chosen)} will be held no more and delivered."
    if not agreed(question, len(chosen), yes=yes or len(chosen) == 1, dry_run=dry_run, always=False):
        return
    with invocation.admin() as admin, watched(len(chosen), "releasing") as watcher:
        total = admin.release_many(chosen, route=invocation.route(), watcher=watcher)
    finish(total)


@click.command()
@click.argument("refs", metavar="ID...", nargs=-1, required=True, shell_complete=event_ids)
@bulk_options
@config_option
@pass_invocation
def erase(invocation: Invocation, refs: tuple[str, ...], yes: bool, dry_run: bool) -> None:
    """Delete events with everything that was kept of them, and cancel what is on its way. It cannot be undone.

    The id stays remembered for `store.remember`, so that the vendor's repeat does not bring the event back. Where erasing
    cannot reach, docs/operations.md says: the sinks that have it, backups, the log of a PostgreSQL server.
    """
    chosen = _refs(refs)
    question = f"{_count(chosen)} will be erased for ever."
    if not agreed(question, len(chosen), yes=yes, dry_run=dry_run, always=True):
        return
    with invocation.admin() as admin:
        with watched(len(chosen), "erasing") as watcher:
            total = admin.erase(chosen, ids=invocation.ids(), watcher=watcher)
        if total.done and not admin.scrub():
            output.note(
                "erased; a reader still holds the store's write-ahead log, and the gateway empties it as soon as it can"
            )
    finish(total)


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
