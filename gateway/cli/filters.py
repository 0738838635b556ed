"""The filters that listings and bulk acts share: names are checked, because a name that is misspelt would match nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import click

from gateway.cli.command_options import event_types, names
from gateway.cli.invocation import Invocation
from gateway.states import DeliveryState
from gateway.text.suggest import suggestion

if TYPE_CHECKING:
    from gateway.store.admin.delivery_filter import DeliveryFilter
    from gateway.store.admin.queries import StoreQueries

_F = TypeVar("_F", bound=Callable[..., object])
T = TypeVar("T")


def event_filters(command: _F) -> _F:
    """`--type --source --stream --since`."""
    for option in (
        click.option(
            "--since",
            metavar="WHEN",
            help="Only of events that came since: a time (2026-01-31, 2026-01-31T12:00) or how long ago (90m, 2d).",
        ),
        click.option("--stream", metavar="GLOB", help="Only of these streams, such as 'vip-*'."),
        click.option("--source", metavar="NAME", shell_complete=names("sources"), help="Only of this source."),
        click.option(
            "--type",
            metavar="GLOB",
            shell_complete=event_types,
            help="Only of these event types, such as 'recording.file.*'.",
        ),
    ):
        command = option(command)
    return command


def delivery_filter(
    invocation: Invocation,
    admin: StoreQueries,
    *,
    event: str | None = None,
    sink: str | None = None,
    state: DeliveryState | None = None,
    type: str | None = None,
    source: str | None = None,
    stream: str | None = None,
    since: str | None = None,
) -> DeliveryFilter:
    """The filter that these options say. Raises UsageError with a near miss for a name that there is not."""
    from gateway.store.admin.delivery_filter import DeliveryFilter

    return DeliveryFilter(
        event=event,
        sink=known_sink(invocation, admin, sink),
        state=state,
        type=known_type(type),
        source=known_source(invocation, admin, source),
        stream=stream,
        since=moment(invocation, since),
    )


def known_sink(invocation: Invocation, admin: StoreQueries, name: str | None) -> str | None:
    """A sink that is configured, or that the store knows from before."""
    if name is None or invocation.names("sinks", name):
        return name
    there = [row.name for row in admin.sinks()]
    if name in there:
        return name
    raise click.UsageError(f"no sink {name!r}{suggestion(name, dict.fromkeys([*invocation.settings.sinks, *there]))}")


def known_source(invocation: Invocation, admin: StoreQueries, name: str | None) -> str | None:
    """A source that is configured, or that something in the store came from."""
    if name is None or invocation.names("sources", name) or admin.knows_source(name):
        return name
    raise click.UsageError(f"no source {name!r}{suggestion(name, invocation.settings.sources)}")


def known_type(glob: str | None) -> str | None:
    """A glob that fits an event type that there is. Raises UsageError."""
    from gateway.admin import filters

    return None if glob is None else _meant(partial(filters.known_type, glob))


def moment(invocation: Invocation, text: str | None, option: str = "--since ") -> int | None:
    """A time in milliseconds: as written, in the configured time zone, or so long ago. Raises UsageError."""
    if text is None:
        return None
    from gateway.admin import filters
    from gateway.runtime.clock import Clock

    return _meant(partial(filters.moment_of, text, invocation.settings.locale.timezone, Clock()), option)


def _meant(check: Callable[[], T], option: str = "") -> T:
    """What the API says of a filter is a UsageError here."""
    from gateway.admin.filters import UnknownValue

    try:
        return check()
    except UnknownValue as error:
        raise click.UsageError(f"{option}{error}") from None
