"""`gateway mcp`: an assistant asks the gateway, over standard input and output."""

from __future__ import annotations

import asyncio
import logging
import sys
from dataclasses import replace

import click

from gateway.cli.command_options import config_option, pass_invocation
from gateway.cli.invocation import Invocation
from gateway.errors import GatewayError


@click.command(short_help="Let an assistant ask the gateway (Model Context Protocol).")
@click.option(
    "--allow-operate",
    is_flag=True,
    help="Also let it retry or cancel one delivery, replay one event, pause or resume one sink, each in two steps.",
)
@config_option
@pass_invocation
def command(invocation: Invocation, allow_operate: bool) -> None:
    """Serve the Model Context Protocol on standard input and output, for assistants that are started with this command.

    An assistant can find events, ask why one did not arrive, what is dead, how sinks and sources are, what was refused, and
    what other routes would do. It changes nothing, unless --allow-operate lets it: then one thing at a time, shown first
    and confirmed, each a row in the audit log. Credentials and the queries of URLs are masked in any case. It needs the
    extra `mcp`.
    """
    from gateway.extras import missing

    for trouble in missing("mcp", "mcp"):
        raise GatewayError(trouble)
    # because standard output is the protocol's, and a library that logs would break it
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, force=True)
    from gateway.cli.assistant.assistant_server import AssistantServer, serve_stdio
    from gateway.store.admin.audit import Actor

    if invocation.remote is None:
        invocation.named()  # so that a configuration that cannot be read is said at once, and to a person
    here = Actor.here()
    actor = replace(here, name=f"{here.name} (assistant)")
    server = AssistantServer(lambda: invocation.service(whole=False, actor=actor), operate=allow_operate)
    try:
        asyncio.run(serve_stdio(server))
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
