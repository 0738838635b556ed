"""`gateway context`: names for gateways elsewhere, and which one commands work on."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import click

from gateway.cli import contexts, output
from gateway.cli.command_options import Group
from gateway.cli.contexts import Context, Contexts
from gateway.text.suggest import suggestion


@click.group(cls=Group, short_help="Gateways elsewhere: add, list, use, remove.")
def command() -> None:
    """Gateways elsewhere, by names of your own. With one in use every command that reads or steers works on it.

    They are kept in the user's configuration, with the file that holds a token and never the token itself. --config, --url
    and their variables go before the context in use.
    """


@command.command()
@click.argument("name")
@click.option("--url", required=True, metavar="URL", help="Its private listener, such as https://gateway.example:9090.")
@click.option("--token-file", required=True, metavar="FILE", help="A file that holds a token of its `admin.tokens`.")
def add(name: str, url: str, token_file: str) -> None:
    """Keep a gateway under NAME; a context of this name is replaced. The first one is used at once."""
    from gateway.cli.remote import read_token
    from gateway.cli.remote_client import checked

    file = str(Path(token_file).expanduser().absolute())
    checked(url, read_token(file), chosen=True)
    known = contexts.all_contexts()
    contexts.write(Contexts({**known.named, name: Context(url, file)}, known.used or name))
    click.echo(f"{name}: {url}{'' if known.used else ', in use'}")


@command.command("list")
@output.listing_options
def list_(as_json: bool, limit: int, everything: bool) -> None:
    """Every context; the one in use has a star."""
    known = contexts.all_contexts()
    output.print_rows(
        [{"name": name, "used": name == known.used, **asdict(one)} for name, one in known.named.items()],
        {
            "": lambda row: "*" if row["used"] else "",
            "name": lambda row: str(row["name"]),
            "url": lambda row: str(row["url"]),
            "token file": lambda row: str(row["token_file"]),
        },
        dict,
        what="contexts",
        as_json=as_json,
        limit=limit,
        everything=everything,
    )


@command.command()
@click.argument("name", required=False)
@click.option("--none", is_flag=True, help="Work beside the configuration again.")
def use(name: str | None, none: bool) -> None:
    """Let commands work on the gateway NAME."""
    known = contexts.all_contexts()
    if none == (name is not None):
        raise click.UsageError("name a context, or --none")
    if name is not None:
        _there(name, known)
    contexts.write(replace(known, used=name))
    click.echo("no context is in use" if name is None else f"{name} is in use")


@command.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget the context NAME. Its token's file stays."""
    known = contexts.all_contexts()
    _there(name, known)
    left = {other: one for other, one in known.named.items() if other != name}
    contexts.write(Contexts(left, None if known.used == name else known.used))
    click.echo(f"{name} is forgotten")


def _there(name: str, known: Contexts) -> None:
    if name not in known.named:
        raise click.UsageError(f"no context {name!r}{suggestion(name, known.named)}")
