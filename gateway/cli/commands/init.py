"""`gateway init`: a commented configuration with fresh secrets."""

from __future__ import annotations

import os
from pathlib import Path

import click

from gateway.cli.context import Site, config_option, pass_site


@click.command(short_help="Write a commented configuration with fresh secrets.")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option("--print", "printed", is_flag=True, help="To standard output, not to a file.")
@config_option
@pass_site
def command(site: Site, path: Path | None, force: bool, printed: bool) -> None:
    """Write a commented configuration with fresh secrets to PATH (default: where --config points, ./gateway.yaml).

    Only you can read the file, because it holds secrets.
    """
    from gateway.cli.commands.secret import make
    from gateway.config.template import render

    text = render(make)
    if printed:
        click.echo(text, nl=False)
        return
    target = path or site.path
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    try:
        descriptor = os.open(target, flags, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)  # because --force may meet a file that others can read
            file.write(text)
    except FileExistsError:
        raise click.ClickException(
            f"{target} is there already; --force writes over it, --print shows what it would be"
        ) from None
    except OSError as error:
        raise click.ClickException(f"cannot write {target}: {error.strerror}") from None
    named = "" if target == Path("gateway.yaml") else f" --config {target}"
    click.echo(f"wrote {target}. Next: gateway{named} check, then gateway{named} serve", err=True)
