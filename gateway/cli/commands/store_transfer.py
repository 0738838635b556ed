"""`gateway store backup|export|import|copy`: a whole store taken elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from gateway.cli import output
from gateway.cli.command_options import local_option, pass_local
from gateway.cli.invocation import Invocation
from gateway.cli.new_files import NewFile
from gateway.errors import StoreUnavailable
from gateway.text.escaping import visible
from gateway.text.file_trouble import file_trouble

if TYPE_CHECKING:
    from gateway.text.store_address import StoreAddress

PIPE: Final = "-"
PASSWORD_BYTES_MAX: Final = 64 * 1024  # bytes of the file that holds one, as of `${file:…}`


@click.command("backup")
@click.argument("file", type=NewFile())
@local_option
@pass_local
def backup(invocation: Invocation, file: Path) -> None:
    """Write a backup of this moment into a new FILE, beside a gateway that may run.

    Of SQLite it is a store that `serve` can open, of PostgreSQL an export for `gateway store import`.
    """
    from gateway.store.transfer import transfers

    with _watched("backed up") as begin:
        then = transfers.backup(_address(invocation), file, begin)
    click.echo(visible(f"{file}: {file.stat().st_size:,} bytes"))
    output.remark(then)


@click.command("export")
@click.argument("file", type=NewFile(allow_dash=True))
@local_option
@pass_local
def export(invocation: Invocation, file: Path) -> None:
    """Write everything in the store into a new FILE (- for standard output) as lines of JSON, as it is at this moment.

    It works beside a running gateway, and is read by `gateway store import`, whatever database either has.
    """
    from gateway.store.transfer import transfers

    with ExitStack() as stack:
        into = sys.stdout.buffer
        if str(file) != PIPE:
            into = stack.enter_context(stack.enter_context(transfers.new_file(file)).open("wb"))
        begin = stack.enter_context(_watched("exported"))
        rows = transfers.export_to(_address(invocation), into.write, begin)
        into.flush()
    output.remark(f"{rows:,} rows")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@local_option
@pass_local
def import_(invocation: Invocation, file: Path) -> None:
    """Fill the empty store of this configuration with the export FILE (- for standard input).

    Stopped at any moment, the same command goes on where it was. No gateway starts on the store before it is whole.
    """
    from gateway.store.transfer import transfers

    with _opened(file) as lines, _watched("imported") as begin:
        before, rows = transfers.import_from(_address(invocation), lines, str(file), begin)
    _told(before, rows)


def _password(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(PASSWORD_BYTES_MAX + 1)
        if len(content) > PASSWORD_BYTES_MAX:
            raise click.BadParameter(f"{file}: it is longer than any password", param_hint="--to-password-file")
        return content.decode().strip()
    except UnicodeDecodeError:
        raise click.BadParameter(f"{file}: it is no text in UTF-8", param_hint="--to-password-file") from None
    except OSError as error:
        raise click.BadParameter(file_trouble(file, error), param_hint="--to-password-file") from None


@click.command("copy")
@click.option("--to", "to", metavar="URL", required=True, help="The store to fill: sqlite:///FILE or postgresql://…")
@click.option(
    "--to-password-file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that holds the password of --to, because everybody on a machine can read a command's words.",
)
@local_option
@pass_local
def copy(invocation: Invocation, to: str, to_password_file: Path | None) -> None:
    """Copy the store of this configuration into another, empty one: from SQLite to PostgreSQL, and back.

    The gateway must be stopped. Everything is compared at the end; stopped at any moment, the same command goes on.
    """
    from gateway.store.transfer import transfers
    from gateway.text.store_address import absolute, parse_address

    try:
        target = absolute(parse_address(to, None if to_password_file is None else _password(to_password_file)))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--to") from None
    with _watched("copied") as begin:
        before, rows = transfers.copy(_address(invocation), target, begin)
    _told(before, rows)
    output.remark(
        f"name it in store.url, start the gateway, and put the old store away: only one may go on ({target.shown})"
    )


def _address(invocation: Invocation) -> StoreAddress:
    from gateway.admin.store_place import store_address

    return store_address(invocation.settings)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if str(file) == PIPE:
        yield sys.stdin.buffer
        return
    try:
        with file.open("rb") as lines:
            yield lines
    except OSError as error:
        raise StoreUnavailable(f"{file} cannot be read: {error.strerror}") from None


@contextmanager
def _watched(label: str) -> Iterator[Callable[[int], Callable[[int], object]]]:
    """Begins to show how far it is when it is known how much there is."""
    with ExitStack() as stack:
        yield lambda steps: stack.enter_context(output.progress(steps, label)).update


def _told(before: int, rows: int) -> None:
    click.echo(f"{rows:,} rows" + (f", {before:,} of them were there already" if before else ""))
