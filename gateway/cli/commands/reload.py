"""`gateway reload`: asks the running gateway to read its configuration again, and says what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.command_options import config_option, pass_invocation
from gateway.cli.health import REACHED_AT
from gateway.cli.invocation import Invocation
from gateway.cli.remote_client import RefusedElsewhere, Remote
from gateway.errors import GatewayError

if TYPE_CHECKING:
    from gateway.config.grammar.settings import AdminSettings


@click.command(short_help="Let a running gateway read its configuration again.")
@config_option
@pass_invocation
def command(invocation: Invocation) -> None:
    """Let the gateway that runs with this configuration read it again. The answer comes after the swap.

    It goes to the private listener with a token of `admin.tokens` whose role is operate. Without a token, send SIGHUP to
    the process, or just save the file: `serve` watches it. Exit code 1: the running configuration stays.
    """
    if invocation.remote is not None:
        _say(invocation.remote.post("/reload"))
        return
    listener = invocation.named().settings.admin
    token = next((one for one in listener.all_tokens if one.role == "operate"), None)
    if token is None:
        raise GatewayError(
            "no token of `admin` has the role operate; set `admin.token`, or send SIGHUP to the gateway's process"
        )
    try:
        _say(Remote(_url(listener), token.token.reveal()).post("/reload"))
    except RefusedElsewhere as error:
        if error.status != 401:
            raise
        raise GatewayError(
            f"{error}\nthe running gateway knows another token than this file: send SIGHUP to its process"
        ) from None


def _url(listener: AdminSettings) -> str:
    if listener.uds is not None:
        return f"unix://{Path(listener.uds).absolute()}"
    host = REACHED_AT.get(listener.host, listener.host)
    return f"http://[{host}]:{listener.port}" if ":" in host else f"http://{host}:{listener.port}"


def _say(answer: Mapping[str, Any]) -> None:
    click.echo(answer["status"])
    for kind in ("sources", "sinks"):
        for what, names in answer[kind].items():
            if names:
                click.echo(f"  {kind} {what}: {', '.join(names)}")
    if answer["routes"]:
        click.echo("  routes changed")
    if settings := answer.get("settings"):  # absent: an older gateway
        click.echo(f"  settings changed: {', '.join(settings)}")
