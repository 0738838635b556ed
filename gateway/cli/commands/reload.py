"""`gateway reload`: asks the running gateway to read its configuration again, and says what came of it."""

from __future__ import annotations

import http.client
import json
from typing import Any

import click

from gateway.cli.context import config_option, pass_invocation
from gateway.cli.health import REACHED_AT, UnixConnection
from gateway.cli.invocation import Invocation
from gateway.errors import GatewayError
from gateway.text.escaping import visible

RELOAD_TIMEOUT_SECONDS = 60.0  # seconds: sinks are opened before the answer comes


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
    listener = invocation.settings.admin
    token = next((one for one in listener.all_tokens if one.role == "operate"), None)
    if token is None:
        raise GatewayError(
            "no token of `admin` has the role operate; set `admin.token`, or send SIGHUP to the gateway's process"
        )
    connection: http.client.HTTPConnection
    if listener.uds is not None:
        connection = UnixConnection(str(listener.uds), RELOAD_TIMEOUT_SECONDS)
    else:
        connection = http.client.HTTPConnection(
            REACHED_AT.get(listener.host, listener.host), listener.port, timeout=RELOAD_TIMEOUT_SECONDS
        )
    try:
        connection.request("POST", "/api/v1/reload", headers={"Authorization": f"Bearer {token.token.reveal()}"})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise GatewayError(
            f"no answer from the private listener ({type(error).__name__}): does the gateway run?"
        ) from None
    finally:
        connection.close()
    if response.status != 200:
        lines = [answer.get("detail", f"HTTP {response.status}"), *(_line(one) for one in answer.get("problems", []))]
        if response.status == 401:
            lines.append("the running gateway knows another token than this file: send SIGHUP to its process")
        raise GatewayError("\n".join(visible(line) for text in lines for line in text.splitlines()))
    _say(answer)


def _say(answer: dict[str, Any]) -> None:
    click.echo(answer["status"])
    for kind in ("sources", "sinks"):
        for what, names in answer[kind].items():
            if names:
                click.echo(f"  {kind} {what}: {', '.join(names)}")
    if answer["routes"]:
        click.echo("  routes changed")


def _line(problem: dict[str, object]) -> str:
    shown = {name: str(problem.get(name) or "") for name in ("file", "path", "message", "hint")}
    place = f"{shown['file']}:{problem['line']}:{problem['column']}" if problem.get("line") else shown["file"]
    said = ": ".join(part for part in (place, shown["path"], shown["message"]) if part)
    return said + (f"\n    hint: {shown['hint']}" if shown["hint"] else "")
