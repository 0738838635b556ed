"""What the admin API answers: the models that pages, JSON, OpenAPI and remote commands share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
DeliveryState = Literal["waiting", "sending", "delivered", "dead"]
HeldFor = Literal["retry", "circuit", "paused", "orphaned", "order", "last", "rate", "batch"]
HeldAs = Literal["conflict", "quarantined"]
DeadFor = Literal["refused", "expired", "cancelled", "crashed"]
TrustName = Literal["none", "timestamp", "fields", "body"]
JobState = Literal["waiting", "running", "done", "cancelled", "stopped", "failed"]
BulkAct = Literal["retry", "replay", "cancel", "release", "erase", "move"]


class Result(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Page(Result, Generic[T]):
    """Some of a list, newest first. A page may be short, even empty, while `next` says that there is more."""

    items: Sequence[T]
    next: Annotated[str | None, Field(description="The `cursor` of the next page; null at the end.")]


# -- events


class EventItem(Result):
    """An event as listed. `ref` names it in every path: its id, or `id~variant`."""

    ref: str
    id: str
    variant: str | None
    seq: int
    source: str
    type: str
    subject: str
    time: Annotated[str | None, Field(description="When it happened, as the vendor says.")]
    received_at: Time
    trust: TrustName
    held: HeldAs | None
    deliveries: Annotated[Mapping[str, int], Field(description="How many of each state.")]
    supersedes: str | None
    superseded: str | None


class AttemptItem(Result):
    """One attempt; `number` counts over all rounds."""

    number: int
    started_at: Time
    seconds: float
    outcome: str
    status: int | None
    detail: str


class NextTry(Result):
    """When a delivery is tried next, and why not before."""

    at: Time | None
    why: str


class DeliveryItem(Result):
    """A delivery as listed. `held` says what a waiting one waits for, `reason` why a dead one is dead."""

    id: int
    event_id: str
    event_ref: str
    sink: str
    state: DeliveryState
    held: HeldFor | None
    reason: DeadFor | None
    attempts: int
    round: int
    next_attempt_at: Time | None
    finished_at: Time | None
    last_error: str | None
    source: str
    type: str
    subject: str
    received_at: Time


class DeliveryDetail(DeliveryItem):
    """A delivery with every attempt, and what comes next; `next` is null where nothing does."""

    history: Sequence[AttemptItem]
    next: NextTry | None


class VerdictItem(Result):
    """What the routes said of an event, and who asked: each route with the clauses that held, or the one that did not."""

    at: Time
    by: str
    routes: Annotated[Sequence[Mapping[str, Any]], Field(description="As `gateway route --json` says it.")]


class Raw(Result):
    """The vendor's bytes: as text, or as base64 where they are none. `masked`: without credentials and URL queries."""

    media_type: str
    size_bytes: int
    masked: bool
    text: str | None
    base64: str | None


class EventDetail(Result):
    """One event with everything that is kept of it."""

    item: EventItem
    event: Annotated[Mapping[str, Any], Field(description="Its CloudEvents JSON.")]
    raw: Raw
    verdicts: Sequence[VerdictItem]
    deliveries: Sequence[DeliveryDetail]
    variants: Annotated[Sequence[EventItem], Field(description="Other contents under its id or its signature.")]
    conflicts: int
    children: Sequence[EventItem]
    cause: Mapping[str, Any] | None
    session: str | None


# -- sinks and sources


class Latency(Result):
    """Seconds within which half, 95 % and 99 % of the attempts of the last hour ended; upper bounds."""

    p50: float
    p95: float
    p99: float


class SinkItem(Result):
    """A sink now. `type` is null where it is not configured any more and the store still holds something of it."""

    name: str
    type: str | None
    state: Literal["ready", "paused", "circuit open", "not configured"]
    reason: str | None
    probe_after: Time | None
    waiting: int
    sending: int
    delivered: int
    dead: int
    oldest_waiting_at: Time | None
    rate: str | None
    attempts_1h: int
    failed_1h: int
    latency: Latency | None
    last_error: str | None


class VerifiedItem(Result):
    """How callbacks of a source were verified, in the last seven days."""

    scheme: str
    key: Annotated[int | None, Field(description="Position in `keys`, from 0.")]
    trust: TrustName
    count: int
    last_at: Time


class IgnoredItem(Result):
    """The last callback of one of the vendor's types that made no event."""

    vendor_type: str
    at: Time
    size_bytes: int


class SourceItem(Result):
    """A source now; counts are of the last 24 hours."""

    name: str
    type: str | None
    callback_url: Annotated[str | None, Field(description="Where the vendor posts to; its path is masked for `read`.")]
    last_seen: Time | None
    events_24h: int
    refused_24h: Mapping[str, int]
    refused_kept: Annotated[Mapping[str, int], Field(description="Of the refused callbacks that are kept.")]
    refused_at: Time | None
    ignored: Annotated[Sequence[IgnoredItem], Field(description="Verified, and not about recordings.")]
    verified: Sequence[VerifiedItem]


class RefusedItem(Result):
    """A refused callback as listed."""

    id: int
    source: str
    code: str
    detail: str
    received_at: Time
    peer: str | None
    method: str
    path: str
    size_bytes: int
    verified: Annotated[bool, Field(description="Its signature fitted, and something else did not.")]


class HeaderItem(Result):
    """One header of a request."""

    name: str
    value: str


class RefusedDetail(RefusedItem):
    """One refused callback: what its code means, and what came, without credentials."""

    meaning: str | None
    headers: Sequence[HeaderItem]
    body: Annotated[str | None, Field(description="null: it was too long to be kept, so it cannot be retried.")]
    masked: bool


# -- the whole


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
    about: Annotated[str, Field(description="The sink, or empty.")]
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


class Overview(Result):
    """The gateway at a glance; of all gateways of its store."""

    at: Time
    started_at: Time
    version: str
    gateways: int
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
    settings: Mapping[str, Any]
    types: Annotated[Mapping[str, Mapping[str, str]], Field(description="The type of each source and sink.")]
    warnings: Sequence[DiagnosticItem]
    reloads: Sequence[LastReload]


class ReloadAnswer(Result):
    """What a reload changed, by name."""

    status: Literal["unchanged", "reloaded"]
    sources: Mapping[str, Sequence[str]]
    sinks: Mapping[str, Sequence[str]]
    routes: bool


class RouteAnswer(Result):
    """Where an event would go, and why not elsewhere. `now`: by the routes that run, where others were tried."""

    event: Mapping[str, Any]
    sinks: Sequence[str]
    routes: Sequence[Mapping[str, Any]]
    now: Sequence[str] | None
    tests: Annotated[
        Sequence[DiagnosticItem], Field(description="What the tests that were sent along say; empty: all went well.")
    ]


class PreviewAnswer(Result):
    """What a sink would send, as text without anything secret. Nothing was sent."""

    sink: str
    text: str


class TestAnswer(Result):
    """What became of a test message."""

    sink: str
    outcome: str
    seconds: float
    detail: str


# -- what changes


class Done(Result):
    """What was done to one."""

    target: str
    done: bool
    text: str


class ManyDone(Result):
    """What was done to each of a few, in their order."""

    answers: Sequence[Done]


class Replayed(Result):
    """The deliveries that begin a round."""

    target: str
    text: str
    deliveries: Sequence[DeliveryItem]


class BulkPreview(Result):
    """How many a bulk act would be done to, and the last row that there was: what comes later is not touched."""

    matched: int
    upto: int
    already_there: Annotated[
        int, Field(description="move: of how many the other sink has the event already; these are cancelled.")
    ] = 0


class Names(Result):
    """The shortest name of each event, that every path and command takes."""

    names: Sequence[str]


class JobStarted(Result):
    """A bulk act was written down and goes on by itself."""

    job: int


class JobItem(Result):
    """A bulk act: how far it is, and how it ended. `answers` are the first of those that say more than that it was done."""

    id: int
    act: BulkAct
    filter: Mapping[str, Any]
    to: Sequence[str] | None
    reroute: bool
    rate: float | None
    who: str
    created_at: Time
    finished_at: Time | None
    state: JobState
    matched: int
    upto: int
    done: int
    failed: int
    result: str
    answers: Sequence[Done]
