"""What can be asked of each listing: the filters of the admin API, and how they become those of the store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.admin.filters import known_sink, known_source, known_type, listed, moment_of
from gateway.runtime.activity import NewsKind
from gateway.runtime.clock import Clock
from gateway.states import DeadReason, DeliveryState, HoldReason, TrustName, WaitsFor
from gateway.store.admin.delivery_filter import DeliveryFilter
from gateway.store.admin.event_search import EventFilter
from gateway.store.admin.queries import StoreQueries

FilterText = Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]
FilterValues = Annotated[Sequence[FilterText], Field(max_length=50)]
When = Annotated[str, Field(max_length=64, description="A time (RFC 3339), or how long ago, such as 90m or 2d.")]
Ref = Annotated[str, Field(max_length=512, min_length=1)]


class Query(BaseModel):
    """The parameters of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PageQuery(Query):
    """Which page."""

    limit: Annotated[int, Field(ge=1, le=200, description="At most so many.")] = 50
    cursor: Annotated[str | None, Field(max_length=64, description="`next` of the page before.")] = None


class OfEvents(Query):
    """What is said of events."""

    type: Annotated[FilterValues, Field(description="Globs of event types; commas between.")] = ()
    source: Annotated[FilterValues, Field(description="Names or globs of sources; commas between.")] = ()
    stream: Annotated[FilterValues, Field(description="Globs of streams; commas between.")] = ()
    since: Annotated[When | None, Field(description="Of events that came since: a time, or how long ago.")] = None
    until: Annotated[When | None, Field(description="Of events that came before: a time, or how long ago.")] = None


class EventWanted(OfEvents):
    """Which events are meant."""

    subject: Annotated[FilterText | None, Field(description="A glob of domain/app/stream.")] = None
    domain: Annotated[FilterValues, Field(description="Globs; commas between.")] = ()
    app: Annotated[FilterValues, Field(description="Globs; commas between.")] = ()
    trust: Annotated[Sequence[TrustName], Field(description="What the signature covered; commas between.")] = ()
    state: Annotated[
        DeliveryState | Literal["unrouted"] | None, Field(description="Any of its deliveries is so, or it has none.")
    ] = None
    held: Annotated[bool | HoldReason | None, Field(description="true: whatever it is held for; false: not held.")] = (
        None
    )
    q: Annotated[FilterText | None, Field(description="The beginning of an id, or of a stream.")] = None


class EventQuery(EventWanted, PageQuery):
    """Filters of events."""

    file: Annotated[
        FilterText | None,
        Field(min_length=1, description="A part of a file's name or address, without the query; a search of the text."),
    ] = None
    after: Annotated[int | None, Field(ge=0, le=2**62, description="Only those stored after this `seq`.")] = None


class Masking(Query):
    """How much of an event or of a refused callback is shown."""

    masked: Annotated[
        bool,
        Field(description="Without credentials and URL queries, whatever the token may see; nothing is written down."),
    ] = False


class DeliveryWanted(OfEvents):
    """Which deliveries are meant."""

    event: Annotated[Ref | None, Field(description="Of this event.")] = None
    sink: Annotated[FilterValues, Field(description="Names of sinks; commas between.")] = ()
    state: DeliveryState | None = None
    held: Annotated[WaitsFor | None, Field(description="What a waiting one waits for.")] = None
    reason: Annotated[DeadReason | None, Field(description="Why a dead one is dead.")] = None


class DeliveryQuery(DeliveryWanted, PageQuery):
    """Filters of deliveries."""


class RefusedQuery(PageQuery):
    """Filters of refused callbacks."""

    source: Annotated[FilterText | None, Field(description="Of this source; empty: of paths that name none.")] = None


class AuditQuery(PageQuery):
    """Filters of the audit log."""

    act: Annotated[FilterText | None, Field(description="A glob, such as `deliveries *`.")] = None
    who: Annotated[FilterText | None, Field(description="A glob of users and tokens.")] = None
    target: Annotated[FilterText | None, Field(description="A sink, delivery or event.")] = None
    since: When | None = None


class OverviewQuery(Query):
    """Which span the plots have."""

    window: Literal["1h", "24h", "7d"] = "24h"


class SinkQuery(Query):
    """How exactly sinks are counted."""

    exact: Annotated[bool, Field(description="Also `delivered`, and beyond 10,001; it reads every delivery.")] = False


class PreviewQuery(Query):
    """What a sink would send what of."""

    event: Annotated[Ref | None, Field(description="A stored event.")] = None
    type: Annotated[FilterText | None, Field(description="A sample of this type, where no event is named.")] = None
    owner: Annotated[FilterText | None, Field(description="Of a sink with a directory: to whom.")] = None


def event_filter(
    asked: EventWanted, queries: StoreQueries, sources: Collection[str], timezone: str, clock: Clock
) -> EventFilter:
    """The store's filter. Raises UnknownValue, which names what was probably meant."""
    of_source, of_type = listed(asked.source), listed(asked.type)
    return EventFilter(
        held=asked.held,
        source=of_source and tuple(known_source(queries, sources, name) for name in of_source),
        type=of_type and tuple(known_type(glob) for glob in of_type),
        subject=asked.subject,
        stream=listed(asked.stream),
        domain=listed(asked.domain),
        app=listed(asked.app),
        trust=tuple(asked.trust) or None,
        state=asked.state,
        since=None if asked.since is None else moment_of(asked.since, timezone, clock),
        until=None if asked.until is None else moment_of(asked.until, timezone, clock),
        q=asked.q,
        file=asked.file if isinstance(asked, EventQuery) else None,
    )


def delivery_filter(
    asked: DeliveryWanted,
    queries: StoreQueries,
    sources: Collection[str],
    sinks: Collection[str],
    timezone: str,
    clock: Clock,
) -> DeliveryFilter:
    """The store's filter. Raises UnknownValue, which names what was probably meant."""
    of_source, of_type, of_sink = listed(asked.source), listed(asked.type), listed(asked.sink)
    return DeliveryFilter(
        event=asked.event,
        sink=of_sink and tuple(known_sink(queries, sinks, name) for name in of_sink),
        state=asked.state,
        waits_for=asked.held,
        reason=asked.reason,
        source=of_source and tuple(known_source(queries, sources, name) for name in of_source),
        type=of_type and tuple(known_type(glob) for glob in of_type),
        stream=listed(asked.stream),
        since=None if asked.since is None else moment_of(asked.since, timezone, clock),
        until=None if asked.until is None else moment_of(asked.until, timezone, clock),
    )


class StreamQuery(Query):
    """Which news are told."""

    types: Annotated[Sequence[NewsKind], Field(description="Kinds of news; commas between. Without: all.")] = ()
    source: Annotated[FilterValues, Field(description="Globs; commas between.")] = ()
    sink: Annotated[FilterValues, Field(description="Globs; commas between.")] = ()
    type: Annotated[FilterValues, Field(description="Globs of event types; commas between.")] = ()
