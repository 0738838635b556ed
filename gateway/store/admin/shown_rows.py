"""What people see of the store: rows as they are listed and shown. Times are milliseconds since 1970 UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from gateway.model import Outcome, Value
from gateway.states import DeadReason, DeliveryState, TrustName, WaitsFor
from gateway.store.records import Gate, Heard, Held, Refusal


class EventRow(Value, frozen=True, kw_only=True):
    """An event as listed. `ref` names it on the command line: the id, or `id~variant` for one held beside the first."""

    seq: int
    ref: str
    id: str
    source: str
    type: str
    subject: str
    received_at: int
    held: Held | None
    deliveries: Mapping[DeliveryState, int]
    supersedes: str | None = None  # the content of its id whose place it took
    superseded: str | None = None  # the content of its id that took its place
    trust: TrustName = "none"
    time: str | None = None  # the vendor's, RFC 3339

    @property
    def name(self) -> str:
        """What names it whatever other sources call theirs: `source:id`, with its variant where it has one."""
        return f"{self.source}:{self.ref}"


class LaterVerdict(Value, frozen=True, kw_only=True):
    """What the routes said of an event later, and who asked them."""

    made_at: int
    made_by: str
    routing: str


class KeyRow(Value, frozen=True, kw_only=True):
    """One key of a source, as people see it: its place in the list, and times in ms."""

    place: int
    name: str | None
    time: Literal["holds", "begins", "ended"]
    valid_from: int | None
    valid_until: int | None
    used_at: int | None
    may_go: bool


class SourceRow(Value, frozen=True, kw_only=True):
    """What is known of a source: when it was last heard of, and, of what is kept, why callbacks were refused."""

    name: str
    seen_at: int | None = None  # its last verified callback
    refused: Mapping[str, int] = msgspec.field(default_factory=dict)  # code -> count
    refused_at: int | None = None
    ignored: Sequence[Heard] = ()  # the last of each vendor type that made no event, newest first
    reconciled_at: int | None = None  # when its vendor's list was last gone through
    reconcile_error: str | None = None  # why it is not now
    reconcile_failures: int = 0  # in a row
    key_uses: Mapping[str, int] = msgspec.field(default_factory=dict)  # by the mark of a key: when it last verified
    keys: Sequence[KeyRow] | None = None  # None: to be told by the configuration and `key_uses`


class EventFull(Value, frozen=True, kw_only=True):
    """An event as shown: its normal form, the vendor's bytes, the verdict of every route, and what is held beside it."""

    row: EventRow
    body: str
    raw: bytes
    raw_type: str
    routing: str  # as it was when it came
    verdicts: tuple[LaterVerdict, ...]  # as they were asked for later, oldest first
    beside: tuple[EventRow, ...]
    conflicts: int  # contents seen under this id, also those past the ten that are kept
    children: tuple[EventRow, ...] = ()  # what follows on it, oldest first
    cause: EventRow | None = None  # what it follows on, while that is here
    recording: int | None = None  # what it belongs to


class DeliveryRow(Value, frozen=True, kw_only=True):
    """A delivery as listed. `waits_for` says what a waiting one waits for, `reason` why a dead one is dead."""

    id: int
    event_id: str
    event_ref: str
    sink: str
    state: DeliveryState
    waits_for: WaitsFor | None
    reason: DeadReason | None
    attempts: int
    round: int
    next_attempt_at: int | None
    finished_at: int | None
    last_error: str | None
    source: str
    type: str
    subject: str
    received_at: int  # when its event came


class AttemptRow(Value, frozen=True, kw_only=True):
    """One attempt as stored; `number` counts over all rounds."""

    number: int
    started_at: int
    took_ms: int
    outcome: Outcome
    status: int | None
    detail: str


class RefusedRow(Value, frozen=True, kw_only=True):
    """A refused callback as kept. Mask it before showing it: the body holds the signature."""

    id: int
    refusal: Refusal


class ServingRow(Value, frozen=True, kw_only=True):
    """A gateway that serves the store now."""

    name: str  # host:pid, or `pid 4711` where the store is a file of this host
    since: int | None  # when it started; None: it has not said so


class StandingAlarm(Value, frozen=True, kw_only=True):
    """A condition that alarms told of and that holds now. `about`: the source, `store` or `configuration`; `since` is in ms."""

    type: str
    about: str
    since: int
    detail: str


class UnderWay(Value, frozen=True, kw_only=True):
    """A long delivery whose sink says how far it is: bytes `done` of `total`, None where it does not, and a few words."""

    delivery: int
    event_ref: str
    done: int | None
    total: int | None
    text: str


class SinkRow(Value, frozen=True, kw_only=True):
    """A sink as the store knows it."""

    name: str
    waiting: int
    sending: int
    delivered: int
    dead: int
    oldest_waiting_at: int | None
    gate: Gate
    under_way: tuple[UnderWay, ...] = ()  # some of those that are being sent

    @property
    def has_anything(self) -> bool:
        """Whether there is anything of it: what waits, and what a person may still look for."""
        return bool(self.waiting or self.sending or self.delivered or self.dead or self.gate.paused)


class Status(Value, frozen=True, kw_only=True):
    """The store at a glance, for `gateway store status`."""

    url: str  # without secrets
    schema: int
    events: int
    held_events: int
    waiting: int
    dead: int
    refused: int
    oldest_waiting_at: int | None
    size_bytes: int | None
    details: Mapping[str, str]  # backend's own: page counts, WAL size, oldest transaction, owner
