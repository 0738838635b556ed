"""What the admin API answers about the whole gateway: the first page, the store, who did what, what runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from gateway.admin.results import Result, Time
from gateway.admin.sink_results import SinkItem, SourceItem


class Counts(Result):
    """What happened in a span of time."""

    arrived: int
    refused: Mapping[str, int]
    delivered: int
    failing: Annotated[int, Field(description="Attempts that did not deliver.")]
    dead: int


class Now(Result):
    """What there is now; counted no further than 10,001 a sink and rank."""

    waiting: int
    sending: int
    dead: int
    held: int
    oldest_waiting_at: Time | None


class Attention(Result):
    """Something that needs a person: what, since when, and where to look."""

    kind: str
    about: Annotated[str, Field(description="The sink or source, or empty.")]
    count: int | None
    text: str
    since: Time | None
    link: str


class Minute(Result):
    """One point of a plot: `step` seconds from `at` on."""

    at: Time
    arrived: int
    refused: int
    delivered: int
    failing: int
    dead: int


class Series(Result):
    """The plot of one source or sink, along the points of the overview."""

    name: str
    good: Sequence[int]
    bad: Sequence[int]


class ServingItem(Result):
    """A gateway that serves the store now."""

    name: str
    since: Time | None


class Overview(Result):
    """The gateway at a glance; of all gateways of its store."""

    at: Time
    started_at: Annotated[Time | None, Field(description="Of the gateway that answers; null beside its store.")]
    version: str
    gateways: int
    running: Annotated[Sequence[ServingItem], Field(description="The gateways that serve the store, the oldest first.")]
    now: Now
    last_1h: Counts
    last_24h: Counts
    sinks: Sequence[SinkItem]
    sources: Sequence[SourceItem]
    attention: Sequence[Attention]
    window: Literal["1h", "24h", "7d"]
    step: Annotated[int, Field(description="Seconds of one point.")]
    minutes: Sequence[Minute]
    plots: Annotated[Mapping[str, Sequence[Series]], Field(description="`sources` and `sinks`: one plot each.")]


class StoreStatus(Result):
    """The store at a glance."""

    url: str
    schema_version: Annotated[int, Field(alias="schema")]
    events: int
    held: int
    waiting: int
    dead: int
    refused: int
    oldest_waiting_at: Time | None
    size_bytes: int | None
    details: Mapping[str, str]


class AuditItem(Result):
    """What somebody did. `filter` is null, what was asked for, or the hash of it."""

    id: int
    at: Time
    who: str
    place: Annotated[str, Field(alias="from")]
    act: str
    target: str
    filter: str | None
    matched: int
    done: int
    result: str


class DiagnosticItem(Result):
    """A mistake in a configuration, or something unwise."""

    file: str | None = None
    path: str | None = None
    line: int | None = None
    column: int | None = None
    message: str
    hint: str | None = None


class LastReload(Result):
    """The last time that somebody asked for another configuration."""

    at: Time
    who: str
    result: str


class Configuration(Result):
    """What runs, with every secret masked."""

    file: str
    loaded_at: Time
    current: Annotated[bool, Field(description="false: the last reload was refused, the file is not what runs.")]
    settings: Mapping[str, object]
    types: Annotated[Mapping[str, Mapping[str, str]], Field(description="The type of each source and sink.")]
    pulled: Annotated[Sequence[str], Field(description="The sinks that consumers fetch from.")]
    warnings: Sequence[DiagnosticItem]
    reloads: Sequence[LastReload]


class ReloadAnswer(Result):
    """What a reload changed, by name."""

    status: Literal["unchanged", "reloaded"]
    sources: Mapping[str, Sequence[str]]
    sinks: Mapping[str, Sequence[str]]
    routes: bool
    settings: Annotated[Sequence[str], Field(description="The other parts of the file that changed: `admin`, say.")]


class RouteAnswer(Result):
    """Where an event would go, and why not elsewhere. `now`: by the routes that run, where others were tried."""

    event: Mapping[str, object]
    sinks: Sequence[str]
    routes: Sequence[Mapping[str, object]]
    now: Sequence[str] | None
    tests: Annotated[
        Sequence[DiagnosticItem], Field(description="What the tests that were sent along say; empty: all went well.")
    ]
