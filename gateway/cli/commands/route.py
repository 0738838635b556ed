"""`gateway route`: where an event would go, clause by clause."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

import click

from gateway.cli import event_input
from gateway.cli.command_options import config_option, names, pass_invocation
from gateway.cli.invocation import Invocation
from gateway.text.escaping import visible, visible_json

C = TypeVar("C", bound=Callable[..., object])
_FLAT = ("type", "source", "provider", "domain", "app", "stream", "format", "project-id", "trust")


def _flat_options(command: C) -> C:
    for name in reversed(_FLAT):
        if name == "source":
            continue
        command = click.option(f"--{name}", metavar="TEXT", help=f"The event's {name.replace('-', '_')}.")(command)
    return command


@click.command(short_help="Explain where an event would go, and why not elsewhere.")
@event_input.file_options
@click.option(
    "--source",
    metavar="NAME",
    shell_complete=names("sources"),
    help="The event's source, or the one that reads --callback.",
)
@_flat_options
@click.option(
    "--expect", "expected", metavar="SINKS", help="Exit code 1 unless it goes to exactly these; commas between."
)
@click.option("--json", "as_json", is_flag=True, help="An object: event, sinks, routes.")
@config_option
@pass_invocation
def command(
    invocation: Invocation,
    /,
    event_file: str | None,
    callback_file: str | None,
    source: str | None,
    expected: str | None,
    as_json: bool,
    **flat: str | None,
) -> None:
    """Explain, route by route and clause by clause, where an event would go. Nothing is sent.

    Describe the event with --type, --stream and so on (what is missing is taken from a sample of that type), or read it
    from a file, or have a source read a vendor's body.
    """
    from gateway.routing import explain

    said = {name: value for name, value in flat.items() if value is not None}
    events = event_input.events(invocation, event_file, callback_file, source, said)
    expected_sinks = (
        None if expected is None else {invocation.sink(name.strip()) for name in expected.split(",") if name.strip()}
    )
    answers: list[Mapping[str, object]] = []
    reached: set[str] = set()
    for event in events:
        decision = invocation.router.decide(event)
        reached.update(decision.sinks)
        if as_json:
            answers.append(
                {
                    "event": {"id": event.id, "type": event.type, "subject": event.subject},
                    "sinks": list(decision.sinks),
                    "routes": json.loads(decision.json()),
                }
            )
            continue
        click.echo(visible(f"{event.type} {event.subject} from {event.source}".rstrip()))
        for line in explain(decision.json()):
            click.echo(visible(f"  {line}"))
        click.echo(f"goes to: {', '.join(decision.sinks) or 'no sink (it would be kept, and could be replayed later)'}")
    if as_json:
        click.echo(visible_json(answers[0] if len(answers) == 1 else answers, indent=True))
    elif not events:
        click.echo("its source makes no event of it")
    if expected_sinks is not None and reached != expected_sinks:
        missing, more = ", ".join(sorted(expected_sinks - reached)), ", ".join(sorted(reached - expected_sinks))
        differences = [f"it does not go to: {missing}"] * bool(missing) + [f"it goes to, too: {more}"] * bool(more)
        raise click.ClickException(
            f"expected it to go to: {', '.join(sorted(expected_sinks)) or 'no sink'}; {'; '.join(differences)}"
        )
