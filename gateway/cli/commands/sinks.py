"""`gateway sinks`: where events go, and whether they may go there now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypedDict

import click

from gateway.admin.timestamps import stamp
from gateway.cli import output
from gateway.cli.command_options import Group, config_option, names, pass_invocation
from gateway.cli.event_input import file_options
from gateway.cli.invocation import Invocation
from gateway.cli.progress_line import progress_line
from gateway.model import FILE_COMPLETED
from gateway.runtime.clock import Clock
from gateway.states import SinkState
from gateway.text.escaping import visible
from gateway.text.redaction import redact

if TYPE_CHECKING:
    from gateway.cli.remote_client import Remote
    from gateway.config.grammar.settings import SinkSettings
    from gateway.model import Event
    from gateway.store.admin.shown_rows import SinkRow, UnderWay


@click.group(cls=Group, short_help="Where events go: list, test, preview, pause, resume.")
def command() -> None:
    """Where events go. Read and changed beside a running gateway, which sees a change within a second."""


@command.command("list")
@output.listing_options
@config_option
@pass_invocation
def list_(invocation: Invocation, as_json: bool, limit: int, everything: bool) -> None:
    """Every sink: its type, whether it is ready, paused or its circuit is open, and what it holds.

    A sink that the store still holds deliveries for, but that is not configured any more, is shown as `not configured`.
    """
    sinks = invocation.settings.sinks
    with invocation.admin() as admin:
        known = {row.name: row for row in admin.sinks()}
    names = [*sinks, *(name for name, row in known.items() if name not in sinks and row.has_anything)]
    objects = [_object(name, sinks.get(name), known.get(name)) for name in names]
    ages = output.Ages(Clock().ms())
    oldest = {name: ages(row.oldest_waiting_at) for name, row in known.items()}
    output.print_rows(
        objects,
        {
            "sink": lambda one: one["name"],
            "type": lambda one: one["type"] or "-",
            "state": lambda one: one["state"],
            "waiting": lambda one: str(one["waiting"]),
            "sending": lambda one: str(one["sending"]),
            "delivered": lambda one: str(one["delivered"]),
            "dead": lambda one: str(one["dead"]),
            "oldest": lambda one: oldest.get(one["name"], ""),
            "why": lambda one: one["reason"] or "",
        },
        lambda one: one,
        what="sinks",
        as_json=as_json,
        limit=limit,
        everything=everything,
    )
    if not (as_json or everything):
        for row in known.values():
            for one in row.under_way:
                click.echo(visible(progress_line(row.name, one)))


@command.command()
@click.argument("name", shell_complete=names("sinks"))
@click.option(
    "--type",
    "event_type",
    metavar="TYPE",
    default=FILE_COMPLETED,
    show_default=True,
    help="The type of the test event, such as recording.failed.",
)
@click.option("--owner", metavar="OWNER", help="Of a sink with a directory: to whom. Default: the event's.")
@config_option
@pass_invocation
def test(invocation: Invocation, name: str, event_type: str, owner: str | None) -> None:
    """Send one test message through the sink NAME, and say what came back. Exit code 1 unless it was delivered.

    It is sent by this process, once, whether a gateway runs or the sink is paused, and is kept nowhere. The event says
    that it is a test: its source is `test`, its stream `test-message`.
    """
    import asyncio

    from gateway.cli import sink_trial
    from gateway.dispatch.outcome import describe

    if invocation.remote is not None:
        _test_elsewhere(invocation.remote, invocation.sink(name), event_type, owner)
        return
    loaded = invocation.load()
    name = invocation.sink(name)
    event = sink_trial.test_event(loaded, event_type)
    owner = sink_trial.owner_of(loaded, name, event, owner)
    result, seconds = asyncio.run(sink_trial.send(loaded, name, event, owner))
    outcome = sink_trial.outcome_of(result)
    said = visible(describe(result))
    if owner is not None:
        said = f"to {visible(owner)}: {said}".removesuffix(": ")
    _print_outcome(name, outcome, seconds, said)


def _test_elsewhere(remote: Remote, name: str, event_type: str, owner: str | None) -> None:
    from gateway.cli.remote_client import segment

    body = {"type": event_type} | ({} if owner is None else {"owner": owner})
    answer = remote.post(f"/sinks/{segment(name)}/test", body)
    _print_outcome(name, answer["outcome"], answer["seconds"], visible(answer["detail"]))


def _print_outcome(name: str, outcome: str, seconds: float, detail: str) -> None:
    line = f"{name}: {outcome} in {seconds * 1000:.0f} ms{f': {detail}' if detail else ''}"
    if outcome != "delivered":
        raise click.ClickException(line)
    click.echo(line)


@command.command()
@click.argument("name", shell_complete=names("sinks"))
@file_options
@click.option("--source", metavar="NAME", shell_complete=names("sources"), help="The source that reads --callback.")
@click.option("--type", "event_type", metavar="TYPE", help="A sample of this type. Default: what `sinks test` sends.")
@click.option("--owner", metavar="OWNER", help="Of a sink with a directory: to whom. Default: the event's.")
@config_option
@pass_invocation
def preview(
    invocation: Invocation,
    name: str,
    event_file: str | None,
    callback_file: str | None,
    source: str | None,
    event_type: str | None,
    owner: str | None,
) -> None:
    """Print what the sink NAME would send for an event, with secrets and signatures masked. Nothing is sent.

    Exit code 1 when it would send nothing.
    """
    from gateway.cli import event_input, sink_preview, sink_trial

    if invocation.remote is not None:
        described = event_file is not None or callback_file is not None
        fields = {"type": event_type} if event_type and described else {}
        given = event_input.events(invocation, event_file, callback_file, source, fields) if described else None
        _preview_elsewhere(invocation.remote, invocation.sink(name), given, event_type, owner)
        return
    loaded = invocation.load(placeholders=True)
    invocation.sink(name)
    if event_file is None and callback_file is None:
        events: Sequence[Event] = [sink_trial.test_event(loaded, event_type or FILE_COMPLETED)]
    else:
        events = event_input.events(
            invocation, event_file, callback_file, source, {"type": event_type} if event_type else {}
        )
    for event in events:
        sink_preview.show(loaded, name, event, owner)


@command.command()
@click.argument("name", shell_complete=names("sinks"))
@config_option
@pass_invocation
def pause(invocation: Invocation, name: str) -> None:
    """Hold everything for the sink NAME until `resume`. New events are still taken; nothing expires meanwhile."""
    with invocation.admin() as admin:
        changed = admin.pause(invocation.sink(name))
    click.echo(f"{name}: {'paused' if changed else 'was paused already'}")


@command.command()
@click.argument("name", shell_complete=names("sinks"))
@config_option
@pass_invocation
def resume(invocation: Invocation, name: str) -> None:
    """Let the sink NAME go on after `pause`."""
    with invocation.admin() as admin:
        changed = admin.resume(invocation.sink(name))
    click.echo(f"{name}: {'goes on' if changed else 'was not paused'}")


def _preview_elsewhere(
    remote: Remote, name: str, events: Sequence[Event] | None, event_type: str | None, owner: str | None
) -> None:
    from gateway.cli.remote_client import segment
    from gateway.events.cloudevents import to_document

    path = f"/sinks/{segment(name)}/preview"
    if events is None:
        answers = [remote.get(path, type=event_type, owner=owner)]
    else:
        whose = {} if owner is None else {"owner": owner}
        answers = [remote.post(path, {"event": to_document(event), **whose}) for event in events]
    for answer in answers:
        click.echo("\n".join(map(visible, answer["text"].split("\n"))))


def _under_way(long: UnderWay) -> Mapping[str, object]:
    names = ("delivery", "event_ref", "done", "total")
    return {**{name: getattr(long, name) for name in names}, "text": redact(long.text)}


class _SinkObject(TypedDict):
    name: str
    type: str | None
    state: SinkState
    reason: str | None
    probe_after: str | None
    waiting: int
    sending: int
    delivered: int
    dead: int
    oldest_waiting_at: str | None
    under_way: Sequence[Mapping[str, object]]


def _object(name: str, configured: SinkSettings | None, row: SinkRow | None) -> _SinkObject:
    from gateway.admin.sink_states import state_of

    gate = None if row is None else row.gate
    return {
        "name": name,
        "type": None if configured is None else configured.type,
        "state": state_of(configured, row),
        "reason": None if gate is None else gate.reason,
        "probe_after": None if gate is None else stamp(gate.open_until),
        "waiting": 0 if row is None else row.waiting,
        "sending": 0 if row is None else row.sending,
        "delivered": 0 if row is None else row.delivered,
        "dead": 0 if row is None else row.dead,
        "oldest_waiting_at": None if row is None else stamp(row.oldest_waiting_at),
        "under_way": [_under_way(long) for long in (() if row is None else row.under_way)],
    }
