"""What the admin API answers about events and deliveries: models that pages, JSON, OpenAPI and remote commands share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from gateway.runtime.lean_imports import import_pydantic
from gateway.states import DeadReason, DeliveryState, HoldReason, OutcomeName, TrustName, WaitsFor

import_pydantic()  # here, because what follows are a command's first models where it asks a gateway elsewhere

T = TypeVar("T")

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Result(BaseModel):
    """An answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Page(Result, Generic[T]):
    """Some of a list, newest first. A page may be short, even empty, while `next` says that there is more."""

    items: Sequence[T]
    next: Annotated[str | None, Field(description="The `cursor` of the next page; null at the end.")]


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
    held: HoldReason | None
    deliveries: Annotated[Mapping[str, int], Field(description="How many of each state.")]
    supersedes: str | None
    superseded: str | None


class AttemptItem(Result):
    """One attempt; `number` counts over all rounds."""

    number: int
    started_at: Time
    seconds: float
    outcome: OutcomeName
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
    held: WaitsFor | None
    reason: DeadReason | None
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
    routes: Annotated[Sequence[Mapping[str, object]], Field(description="As `gateway route --json` says it.")]


class Raw(Result):
    """The vendor's bytes: as text, or as base64 where they are none. `masked`: without credentials and URL queries."""

    media_type: str
    size_bytes: int
    masked: bool
    text: str | None
    base64: str | None


class CauseItem(Result):
    """What an event follows on: an event of the same source, and the sink that it came of."""

    id: str
    sink: str


class EventDetail(Result):
    """One event with everything that is kept of it."""

    item: EventItem
    event: Annotated[Mapping[str, object], Field(description="Its CloudEvents JSON.")]
    raw: Raw
    verdicts: Sequence[VerdictItem]
    deliveries: Sequence[DeliveryDetail]
    variants: Annotated[Sequence[EventItem], Field(description="Other contents under its id or its signature.")]
    conflicts: int
    children: Sequence[EventItem]
    cause: CauseItem | None
    session: Annotated[int | None, Field(description="The recording it belongs to.")]
