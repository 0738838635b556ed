"""`gateway secret`: a fresh secret on standard output."""

from __future__ import annotations

import base64
import secrets
from typing import Final

import click

from gateway.cli.command_options import Choice

KINDS: Final = ("key", "webhook", "ed25519")


def make(kind: str = "key") -> str:
    """A secret of 256 bits: `key` is 64 hex digits, for vendors and tokens; `webhook` the form of Standard Webhooks."""
    if kind == "webhook":
        return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return secrets.token_hex(32)


@click.command(short_help="Make a secret.")
@click.argument("kind", type=Choice(KINDS), default="key")
def command(kind: str) -> None:
    """Make a secret of 256 bits and print it.

    KIND is `key` (the default: 64 hex digits, for a vendor's console or an admin token), `webhook` (`whsec_…`, for
    `sign: {scheme: standard-webhooks, secrets: […]}`), or `ed25519` (for the same place: a line with the private key
    `whsk_…`, which stays here, and one with the public key `whpk_…`, which the receiver gets).
    """
    if kind == "ed25519":
        click.echo(_pair())
    else:
        click.echo(make(kind))


def _pair() -> str:
    from gateway.signing import ed25519

    try:
        key = ed25519.generate()
    except ValueError as error:  # the library is not installed
        raise click.ClickException(str(error)) from None
    return f"{key.text}\n{key.public}"
