"""`gateway check`: whether the configuration would work, without touching network or store unless asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from gateway.cli import output
from gateway.cli.command_options import local_option, pass_local
from gateway.cli.invocation import Invocation
from gateway.errors import GatewayError
from gateway.text.escaping import visible_json

if TYPE_CHECKING:
    from gateway.config.document.diagnostics import Diagnostic
    from gateway.config.load import Loaded


@click.command(short_help="Validate the configuration and run its route tests.")
@click.option(
    "--json", "as_json", is_flag=True, help="A JSON array of problems: severity file line column path message …"
)
@click.option("--no-secrets", is_flag=True, help="Put placeholders where a variable or a secret's file is not there.")
@click.option(
    "--connect", is_flag=True, help="Also open the store, which must have been made, and every sink, over the network."
)
@local_option
@pass_local
def command(invocation: Invocation, as_json: bool, no_secrets: bool, connect: bool) -> None:
    """Validate the configuration and run its route tests. Exit code 1 when anything is wrong; warnings are not.

    Nothing is sent and no store is opened, unless --connect asks for it.
    """
    if connect and no_secrets:
        raise click.UsageError("--connect needs the real secrets: it does not go with --no-secrets")
    invocation.must_exist()
    from gateway.config.document.diagnostics import ConfigError
    from gateway.config.load import refuse_to_serve
    from gateway.config.route_tests import run_tests

    loaded: Loaded | None = None
    warnings: Sequence[Diagnostic] = ()
    try:
        loaded = invocation.load(placeholders=no_secrets, judge=True)
        warnings = [*loaded.warnings, *_ended_keys(loaded)]
        problems = [*refuse_to_serve(loaded), *run_tests(loaded)]
    except ConfigError as error:
        problems, warnings = list(error.problems), error.warnings
    unreachable = _connect(invocation, loaded) if connect and loaded is not None and not problems else []
    if as_json:
        found = [_object("error", one) for one in problems] + [_object("warning", one) for one in warnings]
        found += [_object("error", loaded.problem(path, found=text)) for path, text in unreachable if loaded]
        click.echo(visible_json(found, indent=True))
    else:
        _print_diagnostics("error", problems)
        _print_diagnostics("warning", warnings)
        for path, text in unreachable:
            output.remark(f"error: {path}: {text}")
    if problems or unreachable:
        raise click.exceptions.Exit(1)
    if loaded is not None and not as_json:
        click.echo(_summary(invocation, loaded))
        server = loaded.settings.server
        for name, one in loaded.settings.sources.items():
            output.remark(f"source {name} ({one.type}): {server.callback_url(one.path)}")


def _ended_keys(loaded: Loaded) -> Iterator[Diagnostic]:
    """Warnings that hold today: keys of sources that verify nothing any more, or not yet, where none else does, and shared names."""
    from gateway.plugin.key_state import key_states
    from gateway.runtime.clock import Clock
    from gateway.text.signing_key import signing_keys

    for name, source in loaded.settings.sources.items():
        found = signing_keys(source.options)
        if found is None:
            continue
        option, keys = found
        states = key_states(tuple(keys.values()) if isinstance(keys, Mapping) else keys, {}, Clock().now())
        names = [key.name for key in states if key.name]
        for shared in sorted({one for one in names if names.count(one) > 1}):
            text = f"two keys are called {shared}: what is said of one could be of the other, so give each a name of its own"
            yield loaded.problem(f"sources.{name}.{option}", found=text)
        for key in states:
            if key.time == "ended" and key.valid_until is not None:
                text = f"{option}[{key.place}] ended on {key.valid_until.date()} and verifies nothing any more: take it out"
                yield loaded.problem(f"sources.{name}.{option}", found=text)
        if not any(key.time == "holds" for key in states):
            yield loaded.problem(f"sources.{name}.{option}", found="no key holds today: every callback is refused")


def _object(severity: str, problem: Diagnostic) -> dict[str, object]:
    return {"severity": severity, **problem.as_dict()}


def _print_diagnostics(severity: str, problems: Iterable[Diagnostic]) -> None:
    for problem in problems:
        for number, line in enumerate(str(problem).splitlines()):
            output.remark(line if number else f"{severity}: {line}")


def _summary(invocation: Invocation, loaded: Loaded) -> str:
    settings = loaded.settings
    counts = ", ".join(
        f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
        for name, things in (
            ("source", settings.sources),
            ("sink", settings.sinks),
            ("route", settings.routes),
            ("test", settings.tests),
        )
    )
    return f"{invocation.path}: well. {counts}."


def _connect(invocation: Invocation, loaded: Loaded) -> list[tuple[str, str]]:
    """Open what is outside; (dotted path, what went wrong) for each that does not open."""
    wrong: list[tuple[str, str]] = []
    try:
        with invocation.admin() as admin:
            output.remark(f"store: schema {admin.status().schema}")
    except GatewayError as error:
        wrong.append(("store", str(error)))
    return wrong + asyncio.run(_open_sinks(loaded))


async def _open_sinks(loaded: Loaded) -> list[tuple[str, str]]:
    from gateway.egress.client import Http
    from gateway.plugin.own_code import own_code
    from gateway.runtime.clock import Clock
    from gateway.runtime.lean_imports import import_structlog

    log = import_structlog().get_logger("sink")
    http = Http(clock=Clock())
    await http.open()
    wrong: list[tuple[str, str]] = []
    try:
        for name, configured in loaded.settings.sinks.items():
            sink = loaded.sink(name, http, log)
            doing = "does not open"
            try:
                with own_code():
                    async with asyncio.timeout(configured.delivery.timeout.total_seconds()):
                        await sink.open()
                        doing = "cannot be reached"
                        reached = await sink.connect()
                        await sink.close()
            except TimeoutError:
                seconds = configured.delivery.timeout.total_seconds()
                wrong.append((f"sinks.{name}", f"{doing} within {seconds:g} s (delivery.timeout)"))
            except Exception as error:  # a plugin's own code: whatever it raises is the answer
                wrong.append((f"sinks.{name}", _redacted(f"{doing}: {type(error).__name__}: {error}")))
            else:
                untried = f"opens; its target was not tried: this type is only proven by `gateway sinks test {name}`, which sends a message"
                output.remark(_redacted(f"sink {name}: {reached or untried}"))
    finally:
        await http.close()
    return wrong


def _redacted(text: str) -> str:
    from gateway.text.redaction import redact

    return redact(text)
