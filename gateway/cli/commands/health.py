"""`gateway health` as click shows it in help and completion; it runs without click (see gateway.cli)."""

from __future__ import annotations

import click

from gateway.cli.health import HEALTH_TIMEOUT_SECONDS, report


@click.command(short_help="Ask a running gateway whether it lives, or is ready.")
@click.option(
    "--url",
    metavar="URL",
    help="http://host:port, or unix:/path/of.sock. Default: $GATEWAY_HEALTH_URL, else port 9090 of $GATEWAY_ADMIN_HOST, "
    "else http://127.0.0.1:9090.",
)
@click.option(
    "--ready", is_flag=True, help="Whether it takes callbacks (/readyz), not only whether it lives (/healthz)."
)
@click.option(
    "--timeout",
    type=float,
    metavar="SECONDS",
    default=HEALTH_TIMEOUT_SECONDS,
    show_default=True,
    help="How long to wait for the answer.",
)
@click.option("-q", "--quiet", is_flag=True, help="Only the exit code.")
@click.pass_context
def command(ctx: click.Context, url: str | None, ready: bool, timeout: float, quiet: bool) -> None:
    """Ask a running gateway whether it lives, or is ready: exit code 0 yes, 1 no.

    It reads no configuration and imports only Python's standard library, so it is cheap as a container's health check.
    """
    ctx.exit(report(url, ready=ready, timeout=timeout, quiet=quiet))
