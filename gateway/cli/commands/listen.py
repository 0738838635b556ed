"""`gateway listen`: events of a pull sink, posted to a program on this machine while it is being written."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import timedelta
from urllib.parse import urlsplit

import click

from gateway.cli import output
from gateway.cli.command_options import config_option, names, pass_invocation
from gateway.cli.durations import DurationType
from gateway.cli.invocation import Invocation
from gateway.cli.remote_client import Remote, checked
from gateway.errors import GatewayError
from gateway.fields.hosts import is_loopback

SIGNING_KEY_ENV = "GATEWAY_LISTEN_SECRET"
TIMEOUT = timedelta(seconds=30)


@click.command(short_help="Post what a pull sink has to a program on this machine.")
@click.argument("sink", shell_complete=names("sinks"))
@click.option("--to", metavar="URL", required=True, help="Where to post, such as http://localhost:3000/recordings.")
@click.option(
    "--secret-file",
    metavar="FILE",
    help=f"A file that holds the secret to sign with (whsec_…). Default: ${SIGNING_KEY_ENV}, else one made for this run.",
)
@click.option(
    "--timeout",
    type=DurationType(timedelta(seconds=1), timedelta(hours=1)),
    default=TIMEOUT,
    metavar="DURATION",
    help="How long one answer may take. Default: 30s.",
)
@click.option("--body", is_flag=True, help="Print each event whole, without the queries of its URLs.")
@click.option(
    "--not-loopback", is_flag=True, help="Let --to lead to another machine: events hold names and signed links."
)
@config_option
@pass_invocation
def command(
    invocation: Invocation,
    sink: str,
    to: str,
    secret_file: str | None,
    timeout: timedelta,
    body: bool,
    not_loopback: bool,
) -> None:
    """Fetch what the pull sink SINK has, post each event to a program on this machine as `forward` would, signed afresh,
    and show every request and answer. No tunnel, no open port: develop against events like those of production.

    A 2xx acknowledges the delivery; anything else gives it back with the reason, and it comes again. On a terminal `r`
    sends the last one again and `q` ends; Ctrl-C hands back what is on its way. It needs a token of the role `pull` that
    lists SINK: that of --url and --token-file or of the context in use, else one of the configuration.
    """
    _check_target(to, elsewhere=not_loopback)
    remote = invocation.remote or _here(invocation, sink)
    secret, made = _secret(secret_file)
    output.remark(f"listening to {sink} of {remote.url}, posting to {to}")
    if made:
        output.remark(f"signed with {secret}, made for this run (--secret-file keeps one)")
    try:
        asyncio.run(_listen(remote, sink, to, secret, timeout, body=body))
    except KeyboardInterrupt:
        return
    except asyncio.CancelledError:
        raise SystemExit(128 + signal.SIGTERM) from None


async def _listen(remote: Remote, sink: str, to: str, secret: str, timeout: timedelta, *, body: bool) -> None:
    from gateway.cli.keys import Keys
    from gateway.cli.listen_lines import ListenLines
    from gateway.cli.listen_loop import ListenLoop
    from gateway.cli.local_post import LocalPost
    from gateway.cli.pull_client import PullClient
    from gateway.egress.client import Http

    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    http = Http()
    await http.open()
    try:
        async with LocalPost(to, secret, timeout) as target:
            with Keys() as keys:
                if keys.there:
                    output.remark("r sends the last one again, q ends")
                client, lines = PullClient(remote, sink, http), ListenLines(body=body)
                await ListenLoop(client, target, lines, keys, timeout.total_seconds()).listen()
    finally:
        await http.close()


def _check_target(to: str, *, elsewhere: bool) -> None:
    parts = urlsplit(to)
    try:
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or parts.username or parts.password:
        raise click.UsageError(f"--to {to}: expected http://localhost:3000/path, without user name and password")
    if not elsewhere and not is_loopback(parts.hostname or ""):
        raise click.UsageError(
            f"--to {to}: {parts.hostname} is not this machine; events hold names and signed links. "
            "--not-loopback says that this is meant"
        )


def _secret(file: str | None) -> tuple[str, bool]:
    """The secret, and whether it was made for this run."""
    from gateway.cli.commands.secret import make
    from gateway.cli.remote import read_token
    from gateway.signing.standard_webhooks import sender_key

    text = read_token(file) if file is not None else os.environ.get(SIGNING_KEY_ENV, "")
    if not text:
        return make("webhook"), True
    try:
        sender_key(text)
    except ValueError as error:
        raise click.UsageError(f"the secret of {file or f'${SIGNING_KEY_ENV}'}: expected {error}") from None
    return text, False


def _here(invocation: Invocation, sink: str) -> Remote:
    """The private listener of the configuration, with a consumer's token that lists this sink."""
    from gateway.cli.health import REACHED_AT
    from gateway.config.grammar.listeners import listener_url

    admin = invocation.private_listener()
    token = next((one for one in admin.tokens if one.role == "pull" and sink in one.sinks), None)
    if token is None:
        raise GatewayError(
            f"no token of `admin.tokens` has the role pull and lists {sink}; write one, or name a gateway with --url "
            "and --token-file"
        )
    url = listener_url(REACHED_AT.get(admin.host, admin.host), admin.port, admin.uds)
    return checked(url.replace("unix:/", "unix:///", 1), token.token.reveal(), chosen=True)
