"""`gateway store keys` and `gateway store reencrypt`: what the store is encrypted with, and another key for it."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import output
from gateway.cli.command_options import local_option, pass_local
from gateway.cli.invocation import Invocation
from gateway.cli.table import table
from gateway.text.escaping import visible_json

if TYPE_CHECKING:
    from gateway.store.admin.cipher_report import CipherKey
    from gateway.store.outbox.key_change import KeyChange

TABLES: Final = ("events", "verdicts", "deliveries", "refused")
TELL_SECONDS: Final = 1.0  # between two words on how far it is


@click.command("keys")
@click.option("--json", "as_json", is_flag=True, help="A JSON object.")
@local_option
@pass_local
def keys(invocation: Invocation, as_json: bool) -> None:
    """What the store's rows are encrypted with (store.encryption), by key, and which key may go. It looks at every row."""
    with invocation.admin() as admin:
        report = admin.cipher_keys()
    under_way = report.pass_
    if as_json:
        listed = [{**key._asdict(), "may_go": key.may_go} for key in report.keys]
        said = None if under_way is None else asdict(under_way)
        click.echo(visible_json({"keys": listed, "pass": said}, indent=True))
        return
    columns = ("key", *TABLES, "state")
    table(
        columns,
        [
            [key.name or "in plain", *(f"{key.rows.get(name, 0)}" for name in TABLES), _state(key)]
            for key in report.keys
        ],
    )
    if under_way is not None:
        where = "ended" if under_way.ended_at is not None else f"is at {under_way.table} {under_way.after}"
        click.echo(
            f"\nthe change to {under_way.to} {where}: {under_way.rows:,} rows encrypted, {under_way.given_up:,} given up"
        )


def _state(key: CipherKey) -> str:
    if not key.name:
        return ""
    if key.first:
        return "encrypts"
    if key.given:
        return "may go" if key.may_go else "opens; may not go yet"
    return "lost" if key.lost else "MISSING" if key.used or any(key.rows.values()) else "gone"


@click.command("reencrypt")
@local_option
@pass_local
def reencrypt(invocation: Invocation) -> None:
    """Encrypt every row with the first key of store.encryption: what stands in plain, and what another key encrypted.

    A gateway that serves does so by itself, behind everything else; this does it now, beside it or without one. It may be
    stopped: it goes on where it was.
    """
    shown = 0.0

    def shown_now(at: KeyChange) -> None:
        nonlocal shown
        if time.monotonic() >= shown + TELL_SECONDS:
            shown = time.monotonic()
            output.remark(f"{at.table}: up to {at.after:,}, {at.rows:,} rows encrypted")

    with invocation.admin() as admin:
        ended = admin.encrypt_anew(shown_now)
    if ended is None:
        raise click.ClickException("no key is configured: store.encryption.keys names those to encrypt with")
    click.echo(f"encrypted with {ended.to}: {ended.rows:,} rows changed, {ended.given_up:,} given up")
