"""The normal form: what a recording callback becomes, and what a sink is handed."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

STARTED: Final = "recording.started"
FILE_STARTED: Final = "recording.file.started"
FILE_COMPLETED: Final = "recording.file.completed"
ENDED: Final = "recording.ended"
FAILED: Final = "recording.failed"
UNKNOWN: Final = "recording.unknown"  # a verified callback whose type we do not know: data, not an error
EVENT_TYPES: Final = (STARTED, FILE_STARTED, FILE_COMPLETED, ENDED, FAILED, UNKNOWN)

_canonical: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False).encode
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Trust(enum.StrEnum):
    """How much of a callback the vendor's signature covered, from nothing to all of it."""

    NONE = "none"
    TIMESTAMP = "timestamp"  # only a time: any body would have passed
    FIELDS = "fields"  # named fields
    BODY = "body"  # every byte

    @property
    def rank(self) -> int:
        """0 for none to 3 for body, for comparing."""
        return _RANKS[self]


_RANKS: Final = {Trust.NONE: 0, Trust.TIMESTAMP: 1, Trust.FIELDS: 2, Trust.BODY: 3}


@dataclass(frozen=True, kw_only=True, slots=True)
class Seal:
    """What a signature named, so that other content under the same signature can be noticed.

    `digest` is a hash over scheme, signature and time; `most` is how many different contents it may honestly carry:
    1 where the signed part names one finished file, 0 for any number, None for what the trust asks for: past 32 contents
    under a signature of trust `timestamp` an event is ranked behind all others, above that it is quarantined.
    """

    digest: bytes
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """What verification found: how much was covered, by which scheme, by which of the configured keys (from 0)."""

    trust: Trust
    scheme: str
    key: int | None = None
    _: KW_ONLY
    seal: Seal | None = None
    validity: float | None = field(default=None, compare=False)  # seconds from arrival until the signature expires
    hint: str = field(default="", compare=False)  # what to configure so that more would be covered


@dataclass(frozen=True, kw_only=True, slots=True)
class Storage:
    """Where the vendor put the file in its object store. Vendors rarely sign it: do not follow it blindly."""

    location: str | None = None
    bucket: str | None = None
    key: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One recorded file. Sizes are bytes, durations seconds, times aware UTC; None is absent."""

    format: str | None = None
    download_url: str | None = None
    play_url: str | None = None
    asset_id: str | None = None
    size_bytes: int | None = None
    duration_seconds: float | None = None
    width: int | None = None
    height: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    storage: Storage | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Why a recording failed, in the vendor's words."""

    code: str | None = None
    message: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One thing that happened to one recording. `source` is the configured name; times are aware UTC."""

    id: str
    type: str
    source: str
    provider: str
    received_at: datetime
    trust: Trust = Trust.NONE
    vendor_type: str | None = None
    domain: str | None = None
    app: str | None = None
    stream: str | None = None
    format: str | None = None
    project_id: str | None = None
    job_id: str | None = None
    task_id: str | None = None
    time: datetime | None = None  # the vendor's event time; never an expiry
    files: tuple[File, ...] = ()
    error: Fault | None = None
    verified: Verified | None = None
    extra: Mapping[str, Any] = field(
        default_factory=lambda: _NOTHING
    )  # vendor fields without a place; never credentials
    problems: tuple[str, ...] = ()  # names of vendor fields that could not be read; their values are in `extra`
    raw: bytes = field(default=b"", repr=False)  # the vendor's bytes, untouched; they may hold credentials
    # Names other content under the same id, where there is any: 8 hexadecimal digits; empty for the first that came.
    variant: str = field(default="", compare=False)
    supersedes: str = field(
        default="", compare=False
    )  # the less trusted content whose place it took, as `ref` names it
    raw_type: str = field(default="", compare=False)  # their media type as it came; the core fills in what is empty
    # its JSON, once somebody asked for it: the same text is stored and sent to every sink
    _json: str | None = field(default=None, init=False, repr=False, compare=False)
    # a digest of what it said before something in it was repaired, so that two originals never pass for one content
    _original: bytes = field(default=b"", init=False, repr=False, compare=False)

    @property
    def ref(self) -> str:
        """What a receiver should know a repeat by: the id, and for other content under the same id `id~variant`."""
        return f"{self.id}~{self.variant}" if self.variant else self.id

    @property
    def subject(self) -> str:
        """`domain/app/stream`, leaving out what is absent."""
        return "/".join(part for part in (self.domain, self.app, self.stream) if part)


def stream_key(source: str, subject: str) -> str:
    """What `order: stream` keeps in order: a stream of one source, because no other may stand before it; "": nothing."""
    return f"{source} {subject}" if subject else ""


def shown_variant(fingerprint: bytes) -> str:
    """How people and receivers see which content under an id is meant."""
    return fingerprint.hex()[:8]


class EventId(str):
    """An id that `event_id` made. It names its source by itself; any other id came from outside."""

    __slots__ = ()


def event_id(
    source: str,
    type: str,
    domain: str | None,
    app: str | None,
    stream: str | None,
    format: str | None,
    identity: Sequence[Any],
) -> EventId:
    """The stable id: lower hex of the first 16 bytes of SHA-256 over canonical JSON of its arguments.

    `identity` is the source's choice of what names the thing; the same event must give the same values for ever.
    """
    named = [source, type, domain, app, stream, format, *identity]
    return EventId(hashlib.sha256(_canonical(named).encode()).hexdigest()[:32])


ID_LENGTH_MAX: Final = 128  # characters


def id_of_source(id: str, source: str) -> str:
    """An id that came from outside as it goes out: another source, or another gateway, may use the same.

    One that this source named already stays, so that a gateway which forwards to itself finds it there and stops.
    """
    named = id if id.endswith(f"~{source}") else f"{id}~{source}"
    if len(named) <= ID_LENGTH_MAX:
        return named
    return f"{hashlib.sha256(id.encode()).hexdigest()[:32]}~{source}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One event on its way to one sink. `attempt` counts from 1; `memo` is what the last attempt left for this one."""

    id: int
    event: Event
    sink: str
    attempt: int
    first_attempt_at: datetime
    deadline: datetime  # when this attempt is cut off
    memo: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    replay: bool = False


class Outcome(enum.StrEnum):
    """How one attempt ended."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    LOST = "lost"  # its process died, or its lease ended, before it could say


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try, as people see it. `detail` is redacted; `seconds` is how long it took; `status` the HTTP status if any."""

    number: int
    started_at: datetime
    seconds: float
    outcome: Outcome
    detail: str = ""
    status: int | None = None
