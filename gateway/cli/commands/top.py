"""`gateway top`: the gateway at a glance, live: drawn in place on a terminal, repeated elsewhere."""

from __future__ import annotations

import itertools
import sys
from datetime import timedelta
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import output
from gateway.cli.command_options import config_option, pass_invocation
from gateway.cli.durations import DurationType
from gateway.cli.invocation import Invocation
from gateway.errors import GatewayError
from gateway.text.escaping import visible

if TYPE_CHECKING:
    from gateway.admin.glance import Glance
    from gateway.admin.overview_results import Overview
    from gateway.cli.remote_service import RemoteService
    from gateway.cli.screen import Screen

EVERY_MIN: Final = timedelta(seconds=0.5)
EVERY_MAX: Final = timedelta(hours=1)
STILL_SECONDS: Final = 60.0  # between two drawings of a screen that is held still
KEYS: Final = "q quit  p pause  any other key: now"


@click.command(short_help="The gateway at a glance, live.")
@click.option(
    "--every",
    type=DurationType(EVERY_MIN, EVERY_MAX),
    metavar="DURATION",
    default="2s",
    show_default=True,
    help="How often it looks.",
)
@click.option("--times", type=click.IntRange(min=1), metavar="N", help="End after so many looks.")
@config_option
@pass_invocation
def command(invocation: Invocation, every: timedelta, times: int | None) -> None:
    """The gateway at a glance, live: what goes in and out, every sink, what needs a person.

    On a terminal it is drawn in place: q ends it, p holds it still and goes on, any other key looks at once; it follows
    the size of the window. Elsewhere, as in a pipe, the lines of `gateway status` come again and again. Ctrl-C ends it
    with exit code 0.
    """
    looks = itertools.count() if times is None else range(times)
    with invocation.glance() as service:
        zone = output.Times(invocation.settings.locale.timezone)
        try:
            if sys.stdout.isatty():
                from gateway.cli.screen import Screen

                with Screen() as screen:
                    ended = _drawn(service, screen, zone, looks, every.total_seconds())
            else:
                ended = _repeated(service, zone, looks, every.total_seconds())
        except KeyboardInterrupt:
            return
    if ended:
        raise click.exceptions.Exit(128 + 15)  # as whoever is ended by SIGTERM


def _drawn(
    service: Glance | RemoteService,
    screen: Screen,
    zone: output.Times,
    looks: itertools.count[int] | range,
    every: float,
) -> bool:
    """Look and draw until a person or `looks` ends it; True: a signal did."""
    from gateway.cli.screen import ENDED, RESIZED

    seen: Overview | None = None
    paused = False
    for _ in looks:
        trouble = ""
        try:
            seen = service.overview("1h")
        except GatewayError as error:
            trouble = visible(str(error).splitlines()[0])
        until = monotonic() + every
        while paused or monotonic() < until:
            _draw(screen, seen, zone, trouble, paused=paused, every=every)
            pressed = screen.wait(STILL_SECONDS if paused else until - monotonic())
            if pressed in ("q", "Q", "\x04", ENDED):
                return pressed == ENDED
            if pressed in ("p", "P", " "):
                paused = not paused
            elif not pressed or pressed == RESIZED or paused:
                continue
            if not paused:
                break
    return False


def _draw(
    screen: Screen, seen: Overview | None, zone: output.Times, trouble: str, *, paused: bool, every: float
) -> None:
    from gateway.cli.overview_lines import Line, top_lines

    columns, rows = screen.size
    how = "held still" if paused else f"every {every:g} s"
    footer = f"{how}  {KEYS}"
    if seen is None:
        lines = [Line(trouble, colour="red"), Line(footer, dim=True)][:rows]
    else:
        lines = top_lines(seen, zone, columns, rows, footer)
        if trouble:
            lines[0] = Line(f"not now: {trouble}", colour="red")
    screen.draw([line.shown(columns) for line in lines])


def _repeated(
    service: Glance | RemoteService, zone: output.Times, looks: itertools.count[int] | range, every: float
) -> bool:
    from gateway.admin.timestamps import milliseconds
    from gateway.cli.overview_lines import status_lines

    for number in looks:
        if number:
            sleep(every)
            click.echo()
        try:
            seen = service.overview("1h")
        except GatewayError as error:
            if not number:
                raise  # what never worked is more likely a mistake than a moment
            output.remark(str(error).splitlines()[0])
            continue
        click.echo(f"at {zone(milliseconds(seen.at))}")
        for line in status_lines(seen, zone, None):
            click.echo(line.shown())
    return False
