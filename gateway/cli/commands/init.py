"""`gateway init`: a commented configuration with fresh secrets."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from gateway.cli.command_options import local_option, pass_local
from gateway.cli.invocation import Invocation
from gateway.cli.new_files import NewFile
from gateway.text.file_trouble import file_trouble

_ASKS: Final = {
    "DOMAINS": ("--domain", "The ingest domains, as the vendor's console has them"),
    "APPS": ("--app", "The application names"),
    "HOST": ("--host", "The host that the vendor will call"),
}
_GLOB: Final = frozenset("*?[")


@click.command(short_help="Write a commented configuration with fresh secrets.")
@click.argument("path", required=False, type=NewFile())
@click.option("--source", "source", metavar="TYPE", help="The type of its source, as `gateway plugins list` names it.")
@click.option("--domain", "domains", multiple=True, metavar="NAME", help="An ingest domain, exactly; again for more.")
@click.option("--app", "apps", multiple=True, metavar="NAME", help="An application name, exactly; again for more.")
@click.option("--host", metavar="NAME", help="The host that the vendor will call, where its signature is over it.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--print", "printed", is_flag=True, help="To standard output, not to a file.")
@local_option
@pass_local
def command(
    invocation: Invocation, path: Path | None, source: str | None, domains: Sequence[str], apps: Sequence[str], host: str | None,
    force: bool, printed: bool,
) -> None:  # fmt: skip
    """Write a commented configuration with fresh secrets to PATH (default: where --config points, ./gateway.yaml).

    What the source needs to know is taken from the options; at a terminal the rest is asked for. The token that you sign
    in with is in a file beside it (gateway.token for gateway.yaml). Only you can read the files, because they hold secrets.
    """
    from gateway.cli.commands.secret import make
    from gateway.config.starter import questions, render, source_type
    from gateway.errors import PluginError
    from gateway.plugin.registry import Registry

    registry = Registry()
    given = {"DOMAINS": tuple(domains), "APPS": tuple(apps), "HOST": (host,) if host is not None else ()}
    target = path or invocation.path
    kept = target.with_suffix(".token")
    try:
        chosen = source_type(registry, source)
        needed = questions(chosen)
        answers = _answers(given, needed, "" if chosen is None else chosen.type)
        text = render(
            make, registry, source=source, answers=answers, token=None if printed else f"${{file:{kept.name}}}"
        )
    except PluginError as error:
        raise click.ClickException(str(error)) from None
    open_ = [_ASKS[name][0] for name in ("DOMAINS", "APPS") if name in needed and not answers[name]]
    if open_:
        about = f"{' and '.join(open_)} not given: any is accepted, and the signature covers less (trust timestamp); list them in the file"
        click.echo(about, err=True)
    if printed:
        click.echo(text, nl=False)
        return
    _write({kept: make("key") + "\n", target: text}, force=force)
    from gateway.config.load import load

    for name, one in (settings := load(target, environ=os.environ, placeholders=True).settings).sources.items():
        click.echo(f"source {name} ({one.type}): {settings.server.callback_url(one.path)}", err=True)
    named = "" if target == Path("gateway.yaml") else f" --config {target}"
    click.echo(f"the token that you sign in to the pages with is in {kept}", err=True)
    click.echo(f"wrote {target}. Next: gateway{named} check, then gateway{named} serve", err=True)


def _write(contents: dict[Path, str], *, force: bool) -> None:
    """Write the files, for their owner alone; without `force` none of them where one is there."""
    there = [path for path in contents if os.path.lexists(path)]
    if there and not force:
        raise click.ClickException(
            f"{there[-1]} is there already; --force writes over it, --print shows what it would be"
        )
    for path, content in contents.items():
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL), 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)  # because --force may meet a file that others can read
                file.write(content)
        except OSError as error:
            raise click.ClickException(f"cannot write {path}: {file_trouble(path, error)}") from None


def _answers(given: dict[str, tuple[str, ...]], needed: Sequence[str], type: str) -> dict[str, tuple[str, ...]]:
    """What was given, and at a terminal what is missing of it, asked for."""
    for name, values in given.items():
        if values and name not in needed:
            raise click.UsageError(f"{_ASKS[name][0]} says nothing to a source of type {type}")
        for value in values:
            if said := _problem(name, value):
                raise click.UsageError(f"{_ASKS[name][0]}: {said}")
    if sys.stdin.isatty() and sys.stderr.isatty():
        for name in needed:
            given[name] = given[name] or _ask(name)
    return given


def _ask(name: str) -> tuple[str, ...]:
    """Several are written with commas or spaces between them; nothing is an answer too."""
    while True:
        text = click.prompt(f"{_ASKS[name][1]} (Enter: later)", default="", show_default=False, err=True)
        values = tuple(value for value in re.split(r"[,\s]+", text) if value)[: 1 if name == "HOST" else None]
        wrong = next((said for value in values if (said := _problem(name, value))), "")
        if not wrong:
            return values
        click.echo(wrong, err=True)


def _problem(name: str, value: str) -> str:
    if not value or len(value) > 256 or not value.isprintable() or value != value.strip():
        return "a name of 1 to 256 printable characters without spaces around it"
    if name == "HOST":
        return "" if re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?", value) else "a host name without scheme and path"
    return "an exact name, no pattern: only then is there one way to read the signed text" if _GLOB & set(value) else ""
