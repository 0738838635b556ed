"""`gateway serve`: the gateway itself, in the foreground."""

from __future__ import annotations

import contextlib
import os
import resource
import signal

import click

from gateway.cli.command_options import local_option, pass_local
from gateway.cli.invocation import Invocation
from gateway.errors import GatewayError


@click.command(short_help="Run the gateway.")
@click.option("--watch/--no-watch", default=True, help="Reload when the configuration file changes.", show_default=True)
@local_option
@pass_local
@click.pass_context
def command(ctx: click.Context, invocation: Invocation, watch: bool) -> None:
    """Run the gateway until SIGTERM or Ctrl-C; what is being sent then may end within `server.shutdown_grace`.

    It reads its configuration again when the file changes, on SIGHUP, and when `gateway reload` asks for it: all of it,
    or nothing where it has mistakes.
    """
    harden()

    from gateway.runtime import logs

    logs.configure(threaded=True)  # before anything can be said
    loaded = invocation.load(judge=True)

    from gateway.config.document.diagnostics import ConfigError
    from gateway.config.load import refuse_to_serve

    logs.configure(loaded.settings.log.level, loaded.settings.log.format, threaded=True, lasting=True)
    problems = refuse_to_serve(loaded)
    if problems:
        raise ConfigError(problems)

    from gateway.runtime.lean_imports import import_starlette, import_structlog

    log = import_structlog().get_logger("gateway.cli")
    for problem in loaded.warnings:
        where = f"{problem.file}:{problem.line}"
        hint = {"hint": problem.hint} if problem.hint else {}
        log.warning("config_warning", where=where, path=problem.path, detail=problem.message, **hint)

    from gateway.app import Gateway

    import_starlette()
    from gateway.web.listeners import serve

    try:
        code = serve(Gateway(loaded), watch=watch)
    except GatewayError:
        raise
    except Exception:  # a bug: told as everything else is, because Python's own traceback would not be redacted
        log.exception("crashed")
        code = 1
    ctx.exit(code)


def harden() -> None:
    """Files are ours alone, a crash leaves no core file, because memory holds keys, and 0, 1 and 2 are nobody's else.

    SIGUSR1 and SIGUSR2, with which people ask other servers for their logs or a reload, do not end this one.
    """
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(number, _nothing)  # not SIG_IGN, which programs that a sink starts would inherit
    from gateway.runtime.standard_streams import open_missing

    open_missing()
    os.umask(0o077)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _nothing(number: int, frame: object) -> None:
    """A signal that means nothing here."""
