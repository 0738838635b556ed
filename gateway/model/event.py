"""One thing that happened to a recording, or to the gateway itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from gateway.model.lock_free_property import lock_free_property
from gateway.model.recorded_file import File
from gateway.model.trust import Trust, Verified
from gateway.model.value import Value

ABOUT_SEPARATOR: Final = ", "
_NO_EXTRA: Final[Mapping[str, object]] = MappingProxyType({})
_NOT_COMPARED: Final = frozenset({"variant", "supersedes", "raw_type"})


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


class Erased(Value, frozen=True):
    """An event that a person erased: its source, its `ref`, and when. A plain id stands for every content under it."""

    source: str
    ref: str
    at: datetime


class Event(Value, frozen=True, kw_only=True, dict=True, eq=False):
    """One thing that happened to one recording, or (`alarm`) to the gateway itself. `source` is the configured name; times are aware UTC.

    Two are equal where they say the same, whatever `variant`, `supersedes` and `raw_type` are. Its `__dict__` is the
    core's, for what is made of an event once (gateway/events/event_annotations.py), and goes into no copy.
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
    extra: Mapping[str, Any] = _NO_EXTRA  # vendor fields without a place; never credentials
    problems: tuple[str, ...] = ()  # names of vendor fields that could not be read; their values are in `extra`
    alarm: Alarm | None = None
    cause: Cause | None = None  # of a follow-up
    depth: int = 0  # how many causes stand before it
    reconciled: bool = False  # no callback brought it: the vendor's own list had it
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

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """What is shown: not the vendor's bytes, which may hold credentials."""
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name != "raw"]

    def __repr__(self) -> str:
        return f"Event({', '.join([f'{name}={value!r}' for name, value in self.__rich_repr__()])})"

    @property
    def ref(self) -> str:
        """What a receiver should know a repeat by: the id, and for other content under the same id `id~variant`."""
        return f"{self.id}~{self.variant}" if self.variant else self.id

    @lock_free_property
    def subject(self) -> str:
        """`domain/app/stream`, leaving out what is absent; what an alarm is about."""
        if self.alarm is not None:
            return self.alarm.about
        return "/".join([part for part in (self.domain, self.app, self.stream) if part])


def stream_of(subject: str) -> str:
    """The stream at the end of a `subject`, as well as that says it: what stands behind domain and app, slashes and all, where it
    begins with a host's name; else what stands behind the last slash."""
    parts = subject.split("/", 2)
    return parts[2] if len(parts) == 3 and "." in parts[0] else subject.rpartition("/")[2]


def order_key(source: str, subject: str, *, ordered: bool) -> str | None:
    """What the deliveries of a sink with `order: stream` (`ordered`) keep in order: a stream of one source, because no other
    may stand before it. None: nothing."""
    return f"{source} {subject}" if ordered and subject else None


def shown_variant(fingerprint: bytes) -> str:
    """How people and receivers see which content under an id is meant."""
    return fingerprint.hex()[:8]
