"""What goes into the store and what lanes get out of it: plain values, no SQL. Times are milliseconds since 1970 UTC."""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

from gateway.model import Event, Outcome, Value
from gateway.states import DeadReason, DeliveryState, ProblemCode, PullWait

FencingToken: TypeAlias = int
"""Goes up at each claim of a delivery and never down: an outcome is written only under that of its lease."""


class Rank(enum.IntEnum):
    """Where a delivery stands in the index that claims read. LAST is claimed when nothing else is due."""

    FRESH = 0
    AGAIN = 1
    BEHIND = 2  # an earlier one of its ordering key; no claim reads it
    LEASED = 3
    LAST = 4


CONSUMER = "consumer"
"""The owner of a lease that no gateway's process holds but a consumer of a pull sink, for people and for the start."""


class Held(enum.StrEnum):
    """Why a stored event is not delivered until a person releases it."""

    CONFLICT = "conflict"  # the id is known, the content is not, and it is trusted no more than what stands there
    QUARANTINED = "quarantined"  # a signature that named one thing came again over another


# --- in: accepting ------------------------------------------------------------------------------------------------


class NewDelivery(Value, frozen=True, kw_only=True):
    """One wanted delivery. `lease` (ms): a lane has reserved a slot and takes it at once; None: it waits for a claim."""

    sink: str
    order_key: str | None = None
    lease: int | None = None


class NewEvent(Value, frozen=True, kw_only=True):
    """One event to store with its deliveries. `body` is its CloudEvents JSON, `routing` the verdict of every route."""

    event: Event
    body: str
    fingerprint: bytes  # 16 bytes over the normal form without received_at and signature fields
    routing: str
    deliveries: tuple[NewDelivery, ...] = ()
    raw_type: str = "application/json"
    hold_conflicts: bool = True  # on_conflict: hold | deliver
    seal: bytes | None = None  # None: the signature named nothing that could be compared
    seal_most: int = 0  # so many different contents may share the seal; 0: no bound
    seal_ranks: bool = False  # one more than that is ranked last instead of quarantined
    trace: str | None = None  # what its attempts continue, as TraceContext.stored writes it
    places: tuple[bytes, ...] = ()  # where its files lie; only of a source whose vendor's own list is asked for
    redacted: bool = False  # the fingerprint is of what it said before, so it is stored as a keyed hash of that
    other_fingerprint: bytes = b""  # as the same content is known where it was stored before `redact`, or after it went
    better: bool = False  # it says more of what stands under its id, and is trusted as much: it takes that place


class Lease(Value, frozen=True, kw_only=True):
    """A delivery in a lane's hands: nobody else may carry it until `until`; `token` is the fencing token that settles it."""

    delivery: int
    token: FencingToken
    sink: str
    event: Event
    attempt: int  # from 1, of this round
    round: int  # 0: the first; above: a retry by hand or a replay
    replay: bool
    first_at: int  # start of this round's first attempt; now, if this is it
    stalled: int  # the sink's stalled milliseconds when this round's first attempt began
    until: int
    elapsed: int = 0  # ms since first_at when it was leased, without the time the sink stood still
    order_key: str | None = None
    memo: Mapping[str, object] = msgspec.field(default_factory=dict)
    losses: int = 0  # how often in a row its process died with it in flight
    suspects: int = (
        0  # open deliveries of all sinks that a process died with, counted to a bound; where it is one of them
    )
    lone_losses: int = 0  # how often with nothing else in flight, since it last kept something
    lost: bool = False  # the try before this one never came to an end: its process died, or its lease ended
    trace: str | None = None  # as its event was stored with it


class Accepted(Value, frozen=True, kw_only=True):
    """What became of one NewEvent, after the commit."""

    id: str
    new: bool  # False: the id was known
    held: Held | None = None  # stored beside the first, waits for a person
    full: bool = False  # not stored: there are too many other contents under its id
    weak: bool = False  # its deliveries are ranked last
    leases: tuple[Lease, ...] = ()  # deliveries that were handed over as reserved
    waiting: tuple[str, ...] = ()  # sinks whose delivery was left waiting: wake their lanes
    variant: str = ""  # it was stored as other content under a known id: which
    supersedes: str = ""  # it took the place of this content, which was trusted less


# --- in: settling -------------------------------------------------------------------------------------------------


class OwnEvent(Protocol):
    """An event that no callback brought, and what became of it."""

    @property
    def new(self) -> NewEvent: ...
    @property
    def accepted(self) -> Accepted: ...


class Settlement(Value, frozen=True, kw_only=True):
    """How one leased delivery goes on. `state`: delivered, dead or waiting; `reason` says why it is dead."""

    delivery: int
    token: FencingToken
    state: DeliveryState
    outcome: Outcome
    started_at: int
    took_ms: int
    detail: str = ""
    status: int | None = None
    delay: int = 0  # ms until the next try, when waiting
    burnt: bool = True  # False: the attempt is given back
    reason: DeadReason | None = None
    memo: Mapping[str, object] | None = None


class Settled(Value, frozen=True):
    """What became of a settlement and of the events that follow on it: none of these where `kept` is False."""

    kept: bool
    accepted: Sequence[Accepted] = ()


class Refusal(Value, frozen=True, kw_only=True):
    """A callback that was refused, kept for people. `body` is empty where it was over 64 KiB or its source redacts; `source` where the path
    named none."""

    source: str
    code: ProblemCode
    detail: str
    received_at: int
    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    size: int
    peer: str | None
    verified: bool = False  # the signature fitted, and something else did not


class Heard(Value, frozen=True):
    """A verified callback of a source: the last one at all, or (`ignored`) the last of a vendor type that made no event."""

    source: str
    at: int
    ignored: bool = False
    vendor_type: str = ""
    size: int = 0  # bytes of its body


# --- out: what lanes ask ------------------------------------------------------------------------------------------


class Gate(Value, frozen=True, kw_only=True):
    """Whether a sink's deliveries may go. `stalled` is the milliseconds it ever stood still, up to now."""

    sink: str
    paused: bool = False
    open_until: int | None = None  # the circuit is open until a probe after this succeeds
    pauses: int = 0  # how often in a row the circuit opened
    stalled: int = 0
    reason: str | None = None


class Claim(Value, frozen=True):
    """What a claim asks for: up to `most` due deliveries of a sink (of one group) for `lease` ms, in `owner`'s name. `first` of
    the ranks FRESH and AGAIN leads; `running` are what the process has in hand already."""

    sink: str
    most: int
    lease: int
    first: int
    owner: str
    running: Collection[int] = ()
    group: str | None = None


class GroupClaim(NamedTuple):
    """What a claim by group gave: leases of one group (`alone`: of one row, for itself), and when (ms) to ask for another; None: when rows come."""

    leases: Sequence[Lease]
    alone: bool
    again_at: int | None


class Pulled(Value, frozen=True):
    """What a consumer is given of a pull sink, and why it is nothing: empty, paused, or as many leased as may be."""

    leases: Sequence[Lease]
    why: PullWait | None


class Peeked(Value, frozen=True, kw_only=True):
    """A delivery that a consumer would be given now. `attempts` are the tries it had."""

    delivery: int
    attempts: int
    event: Event


class Due(Value, frozen=True, kw_only=True):
    """The least `due_at` among a sink's waiting or leased rows that a lane may claim; None: there is none.

    `now` is the time by the store's clock when it was read: on PostgreSQL the server's, which may not be ours.
    """

    sink: str
    at: int | None
    now: int
