"""`gateway tail`: what happens now, a line each: events as they come, every attempt, sinks that stop and go on."""

from __future__ import annotations

import click

from gateway.cli import output
from gateway.cli.command_options import config_option, names, pass_invocation
from gateway.cli.filters import event_filters, known_sink, known_source, known_type, moment
from gateway.cli.invocation import Invocation


@click.command(short_help="What happens now: events, attempts, sinks, a line each.")
@click.option(
    "-n", "count", type=click.IntRange(min=0), metavar="N", help="Begin with the newest N events. Default: 10."
)
@event_filters
@click.option("--subject", metavar="GLOB", help="Only of these domain/app/stream, such as '*/live/vip-*'.")
@click.option("--held", is_flag=True, help="Only events that wait for a person.")
@click.option("--sink", metavar="NAME", shell_complete=names("sinks"), help="Attempts of this sink only.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, with its `kind`.")
@config_option
@pass_invocation
def command(
    invocation: Invocation,
    count: int | None,
    source: str | None,
    type: str | None,
    stream: str | None,
    since: str | None,
    subject: str | None,
    held: bool,
    sink: str | None,
    as_json: bool,
) -> None:
    """What happens now, a line each: events as they come, every attempt and what came of it, sinks that stop and go on.

    It begins with the newest events (-n, or all that came --since) and goes on until Ctrl-C. On a terminal states are
    coloured (not with NO_COLOR) and lines are cut; in a pipe they are plain and whole, or JSON. Beside the store it reads
    what is new there; elsewhere (--url) it is sent what happens, and goes on where it stood after a lost connection.
    """
    from gateway.admin.stream import NewsFilter
    from gateway.cli.follow import EventFollower
    from gateway.cli.live_lines import LiveLines
    from gateway.cli.watch_loop import follow, kept_by, news_of

    zone = output.Times(invocation.settings.locale.timezone)
    if count is None and since is None:
        count = 10
    with invocation.admin() as admin:
        criteria = {
            "held": held or None,
            "source": known_source(invocation, admin, source),
            "type": known_type(type),
            "subject": subject,
            "stream": stream,
            "since": moment(invocation, since),
        }
        of_sink = known_sink(invocation, admin, sink)
        news = NewsFilter(
            source=() if source is None else (source,),
            type=() if type is None else (type,),
        )
        follow(
            admin,
            news_of(invocation, admin, news, attempts=True),
            EventFollower(admin, criteria),
            LiveLines(zone, as_json=as_json, states=False),
            count=count,
            keeps=kept_by(stream, subject, of_sink, held=held),
            elsewhere=invocation.remote is not None,
        )
