"""`gateway refused`: why callbacks were refused, and another look at them after a key was mended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from gateway.admin.refusal_meanings import REFUSAL_MEANINGS
from gateway.admin.timestamps import stamp
from gateway.cli import output
from gateway.cli.bulk_progress import agreed, bulk_options, finish, watched
from gateway.cli.command_options import Group, config_option, names, pass_invocation
from gateway.cli.filters import known_source
from gateway.cli.invocation import Invocation
from gateway.runtime.clock import Clock
from gateway.text.escaping import visible, visible_json

if TYPE_CHECKING:
    from gateway.store.admin.admin import StoreAdmin
    from gateway.store.admin.shown_rows import RefusedRow
    from gateway.store.records import Refusal


@click.group(cls=Group, short_help="Callbacks that were refused: list, show, retry.")
def command() -> None:
    """Callbacks that were refused. The last ones of each source are kept (`store.keep.refused`)."""


@command.command("list")
@click.option("--source", metavar="NAME", shell_complete=names("sources"), help="Only of this source.")
@output.listing_options
@config_option
@pass_invocation
def list_(invocation: Invocation, source: str | None, as_json: bool, limit: int, everything: bool) -> None:
    """Refused callbacks, newest first."""
    ages = output.Ages(Clock().ms())
    with invocation.reading() as admin:
        known_source(invocation, admin, source)
        output.listing(
            lambda limit, before: admin.refused(source=source, limit=limit, before=before),
            lambda row: row.id,
            {
                "id": lambda row: str(row.id),
                "age": lambda row: ages(row.refusal.received_at),
                "source": lambda row: row.refusal.source or "-",
                "code": lambda row: row.refusal.code,
                "from": lambda row: row.refusal.peer or "",
                "detail": _detail,
            },
            _object,
            what="refused callbacks",
            as_json=as_json,
            limit=limit,
            everything=everything,
        )


@command.command()
@click.argument("id", type=int)
@click.option("--json", "as_json", is_flag=True, help="A JSON object with masked headers and body.")
@config_option
@pass_invocation
def show(invocation: Invocation, id: int, as_json: bool) -> None:
    """One refused callback: why, what that means, and what came, with its credentials masked."""
    from gateway.text.mask import masked_body, masked_headers, masked_path

    with invocation.reading() as admin:
        row = admin.refusal(id)
    refusal = row.refusal
    headers = masked_headers(refusal.headers)
    kept = bool(refusal.body) or not refusal.size
    body = masked_body(refusal.body)
    if as_json:
        click.echo(visible_json({**_object(row), "headers": headers, "body": body if kept else None}, indent=True))
        return
    output.facts(
        [
            ("id", row.id),
            ("received", output.Times(invocation.settings.locale.timezone)(refusal.received_at)),
            ("source", refusal.source),
            ("from", refusal.peer),
            ("code", refusal.code),
            ("detail", refusal.detail),
            ("meaning", REFUSAL_MEANINGS.get(refusal.code)),
        ]
    )
    click.echo(f"\n{visible(refusal.method)} {visible(masked_path(refusal.path, refusal.source))}")
    for name, value in headers:
        click.echo(f"{visible(name)}: {visible(value)}")
    click.echo()
    if not kept:
        click.echo(
            f"(its body of {refusal.size} bytes was not kept: it was too long, or its source has `redact`; so it cannot be retried)"
        )
    for line in body.splitlines():
        click.echo(visible(line))
    if kept:
        click.echo(f"\nAfter mending the configuration: gateway refused retry {row.id}")


@command.command()
@click.argument("ids", metavar="[ID...]", nargs=-1, type=int)
@click.option(
    "--source",
    metavar="NAME",
    shell_complete=names("sources"),
    help="Every refused callback of this source, oldest first.",
)
@bulk_options
@config_option
@pass_invocation
def retry(invocation: Invocation, ids: tuple[int, ...], source: str | None, yes: bool, dry_run: bool) -> None:
    """Verify refused callbacks again, with today's keys, as of the time they came; take those that pass.

    What is taken is routed by today's routes, delivered by the running gateway, and not listed as refused any more.
    """
    if bool(ids) == (source is not None):
        raise click.UsageError("name callbacks by ID, or all of one source with --source")
    invocation.must_be_well()
    with invocation.admin() as admin:
        chosen = list(ids) if source is None else _of_source(admin, invocation.source(source))
        if not chosen:
            output.remark(f"no refused callbacks of {source}")
        question = f"{len(chosen)} refused callback{'' if len(chosen) == 1 else 's'} will be verified again."
        if not agreed(question, len(chosen), yes=yes or source is None, dry_run=dry_run, always=False):
            return
        with watched(len(chosen), "verifying") as watcher:
            total = admin.take_refused(chosen, invocation.reverifier(), source=source, watcher=watcher)
    finish(total)


def _of_source(admin: StoreAdmin, source: str) -> Sequence[int]:
    found: list[int] = []
    before: int | None = None
    while page := admin.refused(source=source, limit=output.PAGE_ROWS, before=before):
        found += [row.id for row in page]
        before = page[-1].id
    return found[::-1]


def _detail(row: RefusedRow) -> str:
    refusal = row.refusal
    return refusal.detail if refusal.source else f"{refusal.method} {refusal.path}: {refusal.detail}"


def _object(row: RefusedRow) -> dict[str, object]:
    from gateway.text.mask import masked_path

    refusal: Refusal = row.refusal
    return {
        "id": row.id,
        "source": refusal.source,
        "code": refusal.code,
        "detail": refusal.detail,
        "received_at": stamp(refusal.received_at),
        "peer": refusal.peer,
        "method": refusal.method,
        "path": masked_path(refusal.path, refusal.source),
        "size_bytes": refusal.size,
    }
