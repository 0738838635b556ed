"""The normal form: what a recording callback becomes, and what a sink is handed."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Self

import msgspec
from msgspec.structs import replace

from gateway.compact_json import encode_sorted
from gateway.states import AlarmType

STARTED: Final = "recording.started"  # the vendor began to record
FILE_STARTED: Final = "recording.file.started"  # a file of the recording was begun
FILE_COMPLETED: Final = "recording.file.completed"  # a file is complete, and `files` says where
ENDED: Final = "recording.ended"  # no further file will come of this recording
FAILED: Final = "recording.failed"  # it failed; `error` says why
UNKNOWN: Final = "recording.unknown"  # a verified callback whose type we do not know: data, not an error
ARCHIVED: Final = "recording.archived"  # a file was copied to a place of its owner's
CONFIRMED: Final = "recording.confirmed"  # somebody looked, and the file is there
MISSING: Final = "recording.missing"  # somebody looked, and it is not
OVERDUE: Final = "recording.overdue"  # what should have come has not
RECOVERED: Final = "recording.recovered"  # it came after all
STREAM_STARTED: Final = "stream.started"  # a stream is pushed, recorded or not
STREAM_ENDED: Final = "stream.ended"  # it is not any more
EVENT_TYPES: Final = (
    STARTED,
    FILE_STARTED,
    FILE_COMPLETED,
    ENDED,
    FAILED,
    ARCHIVED,
    CONFIRMED,
    MISSING,
    OVERDUE,
    RECOVERED,
    STREAM_STARTED,
    STREAM_ENDED,
    UNKNOWN,
)
"""What a source, a sink's follow-up or a watch can say of a recording or its stream."""
FOLLOW_UP_TYPES: Final = frozenset({ARCHIVED, CONFIRMED, MISSING})
"""What says that something was done with an event: these go only where a route names them, whoever sent them here."""
CAUSES_MAX: Final = 4  # follow-ups one behind the other

SINK_DOWN: Final = "gateway.sink.down"  # nothing can be delivered there: its circuit is open
SINK_UP: Final = "gateway.sink.up"  # it takes deliveries again
DELIVERY_DEAD: Final = "gateway.delivery.dead"  # deliveries were given up
SOURCE_SILENT: Final = "gateway.source.silent"  # no callback for longer than its rule allows
SOURCE_BACK: Final = "gateway.source.back"  # callbacks come again
REFUSALS: Final = "gateway.refusals"  # many callbacks were refused
STORE_LIMIT: Final = "gateway.store.limit"  # the store is nearly full
STORE_OK: Final = "gateway.store.ok"  # it has room again
RELOAD_REFUSED: Final = "gateway.reload.refused"  # the configuration file was not taken over
EVENT_HELD: Final = "gateway.event.held"  # events wait for a person
KEY_EXPIRING: Final = "gateway.key.expiring"  # a key is soon not good any more
ALARM_TYPES: Final[tuple[AlarmType, ...]] = (
    SINK_DOWN,
    SINK_UP,
    DELIVERY_DEAD,
    SOURCE_SILENT,
    SOURCE_BACK,
    REFUSALS,
    STORE_LIMIT,
    STORE_OK,
    RELOAD_REFUSED,
    EVENT_HELD,
    KEY_EXPIRING,
)
"""What the gateway says of itself. No source can say it."""
ALL_TYPES: Final = EVENT_TYPES + ALARM_TYPES
"""What an event's type can be."""
ALARM_SOURCE: Final = "gateway"  # `source` and `provider` of an alarm
ALARM_PREFIX: Final = "gateway."
ABOUT_SINKS: Final = frozenset({SINK_DOWN, SINK_UP, DELIVERY_DEAD})  # an alarm never goes to a sink that it is about

_encode: Final = msgspec.json.Encoder().encode
_type: Final = type  # because an argument has its name
_SPELT_ALIKE: Final = frozenset({str, int, bool, type(None)})
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_NOT_COMPARED: Final = frozenset({"variant", "supersedes", "raw_type"})


class Trust(enum.StrEnum):
    """How much of a callback the vendor's signature covered, from nothing to all of it."""

    rank: int
    """0 for none to 3 for body, for comparing."""

    NONE = "none"
    TIMESTAMP = "timestamp"  # only a time: any body would have passed
    FIELDS = "fields"  # named fields
    BODY = "body"  # every byte


for _rank, _trust in enumerate(Trust):
    _trust.rank = _rank  # an attribute, because a property would look it up for every callback


class Value(msgspec.Struct, frozen=True):
    """What all that follows are: values that never change."""

    def replace(self, **changes: Any) -> Self:
        """The same with other values in these fields."""
        return replace(self, **changes)


class Seal(Value, frozen=True, kw_only=True):
    """What a signature named, so that other content under the same signature can be noticed.

    `digest` is a hash over scheme, signature and time; `most` is how many different contents it may honestly carry:
    1 where the signed part names one finished file, 0 for any number, None for what the trust asks for: past 32 contents
    under a signature of trust `timestamp` an event is ranked behind all others, above that it is quarantined.
    """

    digest: bytes
    most: int | None = None


class _Covered(Value, frozen=True):
    trust: Trust
    scheme: str
    key: int | None = None


class Verified(_Covered, frozen=True, kw_only=True, eq=False):
    """What verification found: how much was covered, by which scheme, by which of the configured keys (from 0)."""

    seal: Seal | None = None
    validity: float | None = None  # seconds from arrival until the signature expires
    hint: str = ""  # what to configure so that more would be covered

    def _compared(self) -> tuple[object, ...]:
        return self.trust, self.scheme, self.key, self.seal

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verified) and self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash(self._compared())


class Storage(Value, frozen=True, kw_only=True):
    """Where the vendor put the file in its object store. Vendors rarely sign it: do not follow it blindly."""

    location: str | None = None
    bucket: str | None = None
    key: str | None = None


class Measured(Value, frozen=True, kw_only=True):
    """What somebody (`by`: a sink's name) found when looking at a file at `at`, whatever the callback said of it."""

    at: datetime
    by: str
    size_bytes: int | None = None
    etag: str | None = None
    media_type: str | None = None


class Archived(Value, frozen=True, kw_only=True):
    """Where a copy of the file lies; `at`: since when, where that is known."""

    url: str
    at: datetime | None = None


class File(Value, frozen=True, kw_only=True):
    """One recorded file. Sizes are bytes, durations seconds, times aware UTC; None is absent.

    `expires_at` is when its links end; `sha256` lower hex of its bytes. `measured` is a look at the address that the
    callback named, whoever holds that; `confirmed` the same where the operator answers for the holder.
    """

    format: str | None = None
    download_url: str | None = None
    play_url: str | None = None
    asset_id: str | None = None
    size_bytes: int | None = None
    duration_seconds: int | float | None = None
    width: int | None = None
    height: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    storage: Storage | None = None
    expires_at: datetime | None = None
    sha256: str | None = None
    confirmed: Measured | None = None
    measured: Measured | None = None
    archived: Archived | None = None

    @property
    def is_as_it_came(self) -> bool:
        """Whether nothing is known of it but what a callback says."""
        return (
            self.expires_at is None
            and self.sha256 is None
            and self.confirmed is None
            and self.measured is None
            and self.archived is None
        )


class Cause(Value, frozen=True):
    """What an event follows on: the `ref` of that event, which is of the same source, and the sink that it came of.

    `earlier` are the sinks of the causes before that, the nearest first.
    """

    id: str
    sink: str
    earlier: tuple[str, ...] = ()

    @property
    def sinks(self) -> tuple[str, ...]:
        """Every sink on the way here: none of them gets the event."""
        return (self.sink, *self.earlier)


class Fault(Value, frozen=True, kw_only=True):
    """Why a recording failed, in the vendor's words."""

    code: str | None = None
    message: str | None = None


ABOUT_SEPARATOR: Final = ", "


class Alarm(Value, frozen=True, kw_only=True):
    """What the gateway says of itself. `about` names the sinks or sources it is about, or the part: `store`, `configuration`."""

    about: str
    since: datetime | None = None
    count: int = 1
    text: str = ""  # for people, in the language of `alarms.language`
    detail: str = ""  # the cause, as the log has it
    link: str | None = None  # the dashboard's page

    @property
    def names(self) -> Sequence[str]:
        """What it is about, each by itself."""
        return self.about.split(ABOUT_SEPARATOR)


class Event(Value, frozen=True, kw_only=True, dict=True, eq=False):
    """One thing that happened to one recording, or (`alarm`) to the gateway itself. `source` is the configured name; times are aware UTC.

    Two are equal where they say the same, whatever `variant`, `supersedes` and `raw_type` are. Its `__dict__` is the
    core's, for what is made of an event once (gateway/events/beside.py), and goes into no copy.
    """

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
    extra: Mapping[str, Any] = _NOTHING  # vendor fields without a place; never credentials
    problems: tuple[str, ...] = ()  # names of vendor fields that could not be read; their values are in `extra`
    alarm: Alarm | None = None
    cause: Cause | None = None  # of a follow-up
    depth: int = 0  # how many causes stand before it
    raw: bytes = b""  # the vendor's bytes, untouched; they may hold credentials
    # Names other content under the same id, where there is any: 8 hexadecimal digits; empty for the first that came.
    variant: str = ""
    supersedes: str = ""  # the less trusted content whose place it took, as `ref` names it
    raw_type: str = ""  # their media type as it came; the core fills in what is empty

    def _compared(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self.__struct_fields__ if name not in _NOT_COMPARED])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash((self.id, self.source, self.received_at))

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What is shown: not the vendor's bytes, which may hold credentials."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name != "raw"]

    def __repr__(self) -> str:
        return f"Event({', '.join([f'{name}={value!r}' for name, value in self.__rich_repr__()])})"

    @property
    def ref(self) -> str:
        """What a receiver should know a repeat by: the id, and for other content under the same id `id~variant`."""
        return f"{self.id}~{self.variant}" if self.variant else self.id

    @cached_property
    def subject(self) -> str:
        """`domain/app/stream`, leaving out what is absent; what an alarm is about."""
        if self.alarm is not None:
            return self.alarm.about
        return "/".join(part for part in (self.domain, self.app, self.stream) if part)


def alarm_globs(globs: Sequence[str]) -> tuple[str, ...]:
    """Those of a route's globs for `type` that mean alarms: they begin with `gateway`.

    Whatever else a route asks for, it is a route of recordings: `*` is every type of theirs.
    """
    return tuple(glob for glob in globs if glob.startswith("gateway"))


def names_type(globs: Sequence[str], type: str) -> bool:
    """Whether these globs for `type` name it: one fits, and is more than wildcards, because `*` is no condition."""
    return any(fnmatchcase(type, glob) and glob.strip("*?") for glob in globs)


def reached_types(globs: Sequence[str]) -> tuple[str, ...]:
    """The event types that a route with these globs for `type` can meet."""
    meant = alarm_globs(globs)
    return (
        *(type for type in EVENT_TYPES if any(fnmatchcase(type, glob) for glob in globs)),
        *(type for type in ALARM_TYPES if any(fnmatchcase(type, glob) for glob in meant)),
    )


def order_key(source: str, subject: str, *, ordered: bool) -> str | None:
    """What the deliveries of a sink with `order: stream` (`ordered`) keep in order: a stream of one source, because no other
    may stand before it. None: nothing."""
    return f"{source} {subject}" if ordered and subject else None


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
    # both write the same; the second knows how Python spells a fraction and puts keys in order
    text = _encode(named) if _SPELT_ALIKE.issuperset(map(_type, named)) else encode_sorted(named).encode()
    return EventId(hashlib.sha256(text).hexdigest()[:32])


ID_CHARS_MAX: Final = 128  # characters


def id_of_source(id: str, source: str) -> str:
    """An id that came from outside as it goes out: another source, or another gateway, may use the same.

    One that this source named already stays, so that a gateway which forwards to itself finds it there and stops.
    """
    named = id if id.endswith(f"~{source}") else f"{id}~{source}"
    if len(named) <= ID_CHARS_MAX:
        return named
    return f"{hashlib.sha256(id.encode()).hexdigest()[:32]}~{source}"


class Progress(Value, frozen=True):
    """How far a long delivery is: `done` of `total` bytes, each None where nobody knows, and a few words for people."""

    done: int | None = None
    total: int | None = None
    text: str = ""


Heartbeat = Callable[[Mapping[str, Any] | None, Progress | None], Awaitable[None]]


class Delivery(Value, frozen=True, kw_only=True):
    """One event on its way to one sink. `attempt` counts from 1; `memo` is what the last attempt left for this one."""

    id: int
    event: Event
    sink: str
    attempt: int
    first_attempt_at: datetime
    deadline: datetime  # when this attempt is cut off
    memo: Mapping[str, Any] = _NOTHING
    replay: bool = False
    heartbeat: Heartbeat | None = None  # the core's; a sink calls `alive`

    async def alive(self, memo: Mapping[str, Any] | None = None, progress: Progress | None = None) -> None:
        """Say that this delivery gets on: its lease begins anew, and `memo` (None: as it was) is kept durably.

        Whoever carries it the next time, after a restart too, gets the memo kept last. Call it every few seconds of a
        long delivery: a delivery that says nothing for `delivery.timeout` is cut off, and the gateway writes no more
        often than is of use. Raises Stopping when the gateway is to stop: end at once, keeping nothing else.
        """
        if self.heartbeat is not None:
            await self.heartbeat(memo, progress)


class Outcome(enum.StrEnum):
    """How one attempt ended."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    LOST = "lost"  # its process died, or its lease ended, before it could say


class Attempt(Value, frozen=True, kw_only=True):
    """One try, as people see it. `detail` is redacted; `seconds` is how long it took; `status` the HTTP status if any."""

    number: int
    started_at: datetime
    seconds: float
    outcome: Outcome
    detail: str = ""
    status: int | None = None
