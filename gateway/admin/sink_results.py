"""What the admin API answers about sinks, sources, and the callbacks that were refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from gateway.admin.results import Result, Time
from gateway.plugin.key_state import KeyTime
from gateway.states import SinkState, TrialOutcome, TrustName


class Latency(Result):
    """Seconds within which half, 95 % and 99 % of the attempts of the last hour ended; upper bounds."""

    p50: float
    p95: float
    p99: float


class UnderWayItem(Result):
    """A long delivery whose sink says how far it is; null where it does not say."""

    delivery: int
    event_ref: str
    done: Annotated[int | None, Field(description="Bytes.")]
    total: Annotated[int | None, Field(description="Bytes in all.")]
    text: str


class SinkItem(Result):
    """A sink now. `type` is null where it is not configured any more and the store still holds something of it."""

    name: str
    type: str | None
    state: SinkState
    reason: str | None
    probe_after: Time | None
    waiting: int
    sending: int
    delivered: int
    dead: int
    oldest_waiting_at: Time | None
    rate: str | None
    owners: Annotated[int | None, Field(description="Owners in its directory; null: it has none.")] = None
    attempts_1h: int
    failed_1h: int
    latency: Latency | None
    last_error: str | None
    under_way: Annotated[
        Sequence[UnderWayItem], Field(description="Long deliveries that are being sent, at most twenty of them.")
    ] = ()


class VerifiedItem(Result):
    """How callbacks of a source were verified, in the last seven days."""

    scheme: str
    key: Annotated[int | None, Field(description="Position in `keys`, from 0.")]
    trust: TrustName
    count: int
    last_at: Time


class KeyItem(Result):
    """One key of a source, without what it is."""

    place: Annotated[int, Field(description="Position in `keys`, from 0.")]
    name: str | None
    time: Annotated[KeyTime, Field(description="Whether it holds now, begins later, or has ended.")]
    valid_from: Time | None
    valid_until: Time | None
    last_used_at: Annotated[Time | None, Field(description="When it last verified a callback; null: never.")]
    may_go: Annotated[bool, Field(description="Another key is used in its stead, or it has ended.")]


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
    reconciled_at: Annotated[Time | None, Field(description="When its vendor's own list was last gone through.")] = None
    reconcile_error: Annotated[str | None, Field(description="Why that list cannot be had.")] = None
    reconcile_failures: Annotated[int, Field(description="How often in a row.")] = 0
    keys: Annotated[Sequence[KeyItem], Field(description="Where its type says which of its options are keys.")]


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
    """One refused callback: what its code means, and what came. `masked`: without credentials and URL queries."""

    meaning: str | None
    headers: Sequence[HeaderItem]
    body: Annotated[
        str | None,
        Field(description="null: it was not kept (too long, or its source has `redact`), so it cannot be retried."),
    ]
    masked: bool


class PreviewAnswer(Result):
    """What a sink would send, as text without anything secret. Nothing was sent."""

    sink: str
    text: str


class TestAnswer(Result):
    """What became of a test message."""

    sink: str
    outcome: TrialOutcome
    seconds: float
    detail: str
