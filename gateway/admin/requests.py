"""What is sent with the acts of the admin API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.queries import FilterText, Ref
from gateway.fields import Duration, between


class Command(BaseModel):
    """The body of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ReplayCommand(Command):
    """Where to: these sinks, today's routes, or, without either, the sinks of the first time."""

    to: Annotated[Sequence[FilterText] | None, Field(max_length=50)] = None
    reroute: bool = False


_OwnerText = Annotated[
    FilterText | None, Field(description="Of a sink with a directory: to whom. Default: the event's owner.")
]


class TestCommand(Command):
    """What kind of event a test message is."""

    __test__ = False

    type: FilterText = "recording.file.completed"
    owner: _OwnerText = None


class RouteCommand(Command):
    """An event, as CloudEvents JSON or in the flat form, and routes to try on it (none: those that run)."""

    event: dict[str, object]
    config: Annotated[
        str | None, Field(max_length=64 * 1024, description="YAML: routes, and tests where there are some.")
    ] = None


class ReconcileCommand(Command):
    """How far back the vendor's list is asked for; left out: as the source's `reconcile` says."""

    since: Annotated[Duration, between("1h", "30d")] | None = None


class PreviewCommand(Command):
    """The event that a sink would be given, as CloudEvents JSON or in the flat form."""

    event: dict[str, object]
    owner: _OwnerText = None


class FewDeliveries(Command):
    """Deliveries by their ids, and what chose them, for the audit log."""

    ids: Annotated[Sequence[Annotated[int, Field(ge=0, le=2**62)]], Field(min_length=1, max_length=200)]


class FewEvents(Command):
    """Events by their names."""

    refs: Annotated[Sequence[Ref], Field(min_length=1, max_length=200)]


class FewReplays(FewEvents, ReplayCommand):
    """Events by their names, and where to."""


class EventName(Command):
    """An event as listings name it."""

    ref: Ref
    id: Ref
    source: FilterText


class EventNames(Command):
    """Events of which the shortest names are asked for."""

    events: Annotated[Sequence[EventName], Field(max_length=200)]


class FewRefused(Command):
    """Refused callbacks by their ids, or all of one source."""

    ids: Annotated[Sequence[Annotated[int, Field(ge=0, le=2**62)]], Field(min_length=1, max_length=200)]
