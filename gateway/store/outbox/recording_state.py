"""A recording as its events make it: which of them belong together, and what they say of it, in whatever order they come."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from gateway.model import (
    ALARM_PREFIX,
    FILE_COMPLETED,
    FILE_STARTED,
    FOLLOW_UP_TYPES,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_OVERDUE,
    RECORDING_RECOVERED,
    RECORDING_STARTED,
    STREAM_ENDED,
    STREAM_STARTED,
)
from gateway.states import HoldReason, RecordingState

APART_MS: Final = 6 * 3_600_000  # without a word for so long, what comes then is another recording
EARLY_MS: Final = 120_000  # so long after another event of the same recording may a vendor date its beginning
VENDOR_CLOCK_MS: Final = 24 * 3_600_000  # a vendor's time that lies further from its coming is not believed


_TOLD_AFTERWARDS: Final = FOLLOW_UP_TYPES | {RECORDING_OVERDUE, RECORDING_RECOVERED}


class _RecordedData(msgspec.Struct):
    domain: str | None = None
    app: str | None = None
    stream: str | None = None
    job_id: str | None = None
    provider: str | None = None
    format: str | None = None
    project_id: str | None = None
    task_id: str | None = None


class _StoredBody(msgspec.Struct):
    time: datetime | None = None
    reconciled: bool = False
    trust: str | None = None
    data: _RecordedData = msgspec.field(default_factory=_RecordedData)


_CONDITIONS: Final = ("provider", "domain", "app", "stream", "format", "project_id")
_decode: Final = msgspec.json.Decoder(_StoredBody).decode


class EventColumns(NamedTuple):
    """What is read of an event: `recording_joins.COLUMNS`."""

    seq: int
    source: str
    type: str
    subject: str
    received_at: int
    body: str
    id: str
    variant: bytes
    cause: str | None
    held: HoldReason | None


class Sign(NamedTuple):
    """What an event says of a recording. `at`: when it happened (ms), by the vendor's clock where that can be believed;
    `with_ids`: it belongs where an event of one of these ids does; `again`: it is other content under a known id, so it is
    no further file."""

    event: int
    source: str
    type: str
    subject: str
    at: int
    data: _RecordedData
    with_ids: tuple[str, ...] = ()
    again: bool = False
    received_at: int = 0
    trust: str | None = None

    @property
    def values(self) -> Mapping[str, str | None]:
        """What the conditions of a rule look at."""
        data = self.data
        own = {"type": self.type, "source": self.source, "trust": self.trust}
        return {**own, **{name: getattr(data, name) for name in _CONDITIONS}}


def sign_of(row: EventColumns) -> Sign | None:
    """Of an event; None: it belongs to no recording, or cannot be read."""
    if not row.subject or row.type.startswith(ALARM_PREFIX):
        return None
    try:
        read = _decode(row.body)
    except (msgspec.DecodeError, ValueError):
        return None
    if not read.data.stream:
        return None
    at = row.received_at if read.time is None else round(read.time.timestamp() * 1000)
    if abs(at - row.received_at) > VENDOR_CLOCK_MS and not read.reconciled:  # what its list has may be days old
        at = row.received_at
    with_ids: tuple[str, ...] = (row.id,) if row.variant else ()
    if row.cause is not None:
        with_ids = (row.cause, row.cause.rpartition("~")[0])
    return Sign(
        row.seq,
        row.source,
        row.type,
        row.subject,
        at,
        read.data,
        with_ids,
        bool(row.variant),
        row.received_at,
        read.trust,
    )


class Recording(msgspec.Struct):
    """One recording. Times are ms; `begun` and `completed` count files; `from_at` and `to_at` are its first and last event."""

    id: int | None
    source: str
    subject: str
    domain: str | None
    app: str | None
    stream: str
    from_at: int
    to_at: int
    task: str | None = None
    pushed_at: int | None = None
    unpushed_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    failed_at: int | None = None
    begun: int = 0
    completed: int = 0
    overdue: int = 0  # what people were told is, and has not come

    @classmethod
    def of(cls, sign: Sign) -> Recording:
        """A new one, of its first event."""
        data = sign.data
        return cls(None, sign.source, sign.subject, data.domain, data.app, data.stream or "", sign.at, sign.at)

    def add(self, sign: Sign) -> None:
        """Take in one more event; the order of all of them does not matter."""
        at = sign.at
        self.task = self.task or sign.data.task_id
        if (
            sign.type in _TOLD_AFTERWARDS
        ):  # they say what was done with a file, or what did not come, however much later
            return
        self.from_at, self.to_at = min(self.from_at, at), max(self.to_at, at)
        match sign.type:
            case "stream.started":
                self.pushed_at = _earlier(self.pushed_at, at)
            case "stream.ended":
                self.unpushed_at = _later(self.unpushed_at, at)
            case "recording.started":
                self.started_at = _earlier(self.started_at, at)
            case "recording.ended":
                self.ended_at = _later(self.ended_at, at)
            case "recording.failed":
                self.failed_at = _later(self.failed_at, at)
            case "recording.file.started" if not sign.again:
                self.begun += 1
            case "recording.file.completed" if not sign.again:
                self.completed += 1

    @property
    def state(self) -> RecordingState:
        """`open` until its end is known. Where a vendor tells of finished files only, each is an end."""
        if self.failed_at is not None:
            return "failed"
        if self.ended_at is not None:
            return "ended"
        if self.started_at is None and not self.begun and (self.unpushed_at is not None or self.completed):
            return "ended"
        return "overdue" if self.overdue > 0 else "open"

    @property
    def counts(self) -> Mapping[str, int]:
        """How many events of each type there are; of those that one is enough of, one."""
        singles = {
            RECORDING_STARTED: self.started_at,
            RECORDING_ENDED: self.ended_at,
            RECORDING_FAILED: self.failed_at,
            STREAM_STARTED: self.pushed_at,
            STREAM_ENDED: self.unpushed_at,
        }
        counts = {type_: int(at is not None) for type_, at in singles.items()}
        return counts | {FILE_STARTED: self.begun, FILE_COMPLETED: self.completed}

    @property
    def missing(self) -> list[str]:
        """The event types that should have come by its end and have not; of an open one nothing."""
        if self.state in ("open", "overdue"):
            return []
        files_alone = self.ended_at is self.failed_at is self.unpushed_at is None
        missing = []
        if self.started_at is None and not files_alone:
            missing.append(RECORDING_STARTED)
        if self.begun > self.completed or (
            self.state == "ended" and self.started_at is not None and not self.completed
        ):
            missing.append(FILE_COMPLETED)
        return missing

    @property
    def over_at(self) -> int | None:
        """When it ended or failed; of finished files alone, the last of them."""
        if self.state in ("open", "overdue"):
            return None
        return self.failed_at or self.ended_at or self.unpushed_at or self.to_at


def _earlier(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)


def _later(one: int | None, other: int) -> int:
    return other if one is None else max(one, other)


def belongs_to(sign: Sign, recordings: Iterable[Recording]) -> Recording | None:
    """Which of the recordings of this stream an event belongs to; None: to a new one.

    By the vendor's task where both name one, else to the last that had begun by then. A beginning never belongs to a
    recording that has begun before, and what comes `APART_MS` after the last word belongs to none.
    """
    fitting = [one for one in recordings if _fits(sign, one)]
    task = sign.data.task_id
    if task is not None and (same := [one for one in fitting if one.task == task]):
        return max(same, key=_from_at)
    before = [one for one in fitting if one.from_at <= sign.at]
    if before:
        return max(before, key=_from_at)
    # one whose beginning is not known yet reaches back as far as its first words may come late
    headless = [one for one in fitting if one.started_at is None and one.pushed_at is None]
    after = [one for one in fitting if one.from_at - EARLY_MS <= sign.at or one in headless]
    return min(after, key=_from_at) if after else None


def _from_at(recording: Recording) -> int:
    return recording.from_at


def _fits(sign: Sign, recording: Recording) -> bool:
    task = sign.data.task_id
    if task is not None and recording.task is not None and task != recording.task:
        return False
    if not recording.from_at - APART_MS <= sign.at <= recording.to_at + APART_MS:
        return False
    over = recording.over_at if recording.ended_at is not None or recording.failed_at is not None else None
    if sign.type == RECORDING_STARTED:
        return recording.started_at is None and (over is None or sign.at <= over)
    if sign.type == STREAM_STARTED:
        return recording.pushed_at is None and (recording.unpushed_at is None or sign.at <= recording.unpushed_at)
    if sign.type == FILE_STARTED:
        return over is None or sign.at <= over
    if sign.type in (RECORDING_ENDED, RECORDING_FAILED):
        return over is None or task is not None
    if sign.type == STREAM_ENDED:
        return recording.unpushed_at is None
    return True
