"""Vendor-neutral example events: what route tests, `gateway route` and the checks of `where` are tried on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.events import event_reader
from gateway.events.alarm_text import alarm_text
from gateway.model import (
    ABOUT_SINKS,
    ALARM_SOURCE,
    ALARM_TYPES,
    FILE_COMPLETED,
    FILE_STARTED,
    FOLLOW_UP_TYPES,
    RECORDING_ARCHIVED,
    RECORDING_CONFIRMED,
    RECORDING_FAILED,
    RECORDING_MISSING,
    RECORDING_OVERDUE,
    RECORDING_RECOVERED,
    RECORDING_UNKNOWN,
    Alarm,
    Archived,
    Cause,
    Event,
    Fault,
    File,
    Measured,
    Storage,
    Trust,
    Verified,
    event_id,
)

_STARTED_AT: Final = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
_ENDED_AT: Final = _STARTED_AT + timedelta(minutes=2)
_RECEIVED_AT: Final = _ENDED_AT + timedelta(seconds=2)
_SINKS: Final = {RECORDING_ARCHIVED: "archive", RECORDING_CONFIRMED: "confirm", RECORDING_MISSING: "confirm"}
_WITH_FILE: Final = frozenset({FILE_COMPLETED, *_SINKS})
_CAUSE_ID: Final = "6ec2ae8ec2c3f2e0fbdc4a3d7d06a1a5"
_FOLDER: Final = "https://recordings.example.com/live/mystream"


def sample(type: str, *, full: bool = True, **flat: object) -> Event:
    """An event of this type: `full` with everything the type can carry, else with nothing that may be absent.

    `flat` replaces what the sample says, by the names of `Event`. Raises ValueError as `event_of` does.
    """
    event = _full(event_reader.known_type(type)) if full else _sparse(event_reader.known_type(type))
    if event.alarm is not None:
        event = event.replace(alarm=event_reader.read_alarm(flat, event.alarm))
        flat = {key: value for key, value in flat.items() if key not in event_reader.ALARM_KEYS}
    if flat:
        file = _file_of(type) if type in _WITH_FILE and full else File()
        event = event.replace(**event_reader.flat_arguments(flat, file))
    return event if "id" in flat else event.replace(id=_id(event))


def event_of(mapping: Mapping[str, Any], *, source: str = "live", provider: str = "sample") -> Event:
    """The event that a person wrote: CloudEvents JSON (it has `data` or `specversion`), or the flat form.

    In the flat form what is missing gets the sample of the type (`source` and `provider` those given here), also inside
    each of `files`; an explicit null makes a value absent. Raises ValueError naming the key, what was found and a near miss.
    """
    if event_reader.is_document(mapping):
        return event_reader.from_document(mapping)
    type = event_reader.type_of(mapping.get("type"))
    usual = {} if type in ALARM_TYPES else {"source": source, "provider": provider}
    return sample(type, **{**usual, **{key: value for key, value in mapping.items() if key != "type"}})


def largest(type: str, *, files: int = 200, text: int = 256 * 1024) -> Event:
    """A synthetic event as big as routes can meet: `files` files with about `text` bytes of text in them.

    200 files is where `where` sees lists cut; 256 KiB is the default of `server.max_body`.
    """
    filler = "x" * max(text // (files * 6), 1)
    file = _sample_file().replace(
        download_url=filler,
        play_url=filler,
        asset_id=filler,
        storage=Storage(location=filler, bucket=filler, key=filler),
    )
    return _full(event_reader.known_type(type)).replace(
        error=Fault(code="PULL_FAILED", message=filler),
        files=tuple(file.replace(size_bytes=number) for number in range(files)),
        extra={f"field_{number}": number for number in range(files)},
        problems=tuple(f"field_{number}" for number in range(files)),
    )


def _sample_file() -> File:
    return File(
        format="hls",
        download_url=f"{_FOLDER}/index.m3u8",
        play_url="https://play.example.com/live/mystream/index.m3u8",
        asset_id="0123456789abcdef0123456789abcdef",
        size_bytes=3_957_964,
        duration_seconds=120.0,
        width=1280,
        height=720,
        started_at=_STARTED_AT,
        ended_at=_ENDED_AT,
        storage=Storage(location="https://storage.example.com", bucket="recordings", key="live/mystream/index.m3u8"),
    )


def _file_of(type: str) -> File:
    """What this type says of a file that is there: a finished one, and what a sink found out or did."""
    file = _sample_file()
    if type == FILE_COMPLETED:
        return file
    look = Measured(
        at=_RECEIVED_AT, by=_SINKS[type], size_bytes=file.size_bytes, etag='"5d41402a"', media_type="video/mp4"
    )
    file = file.replace(expires_at=_ENDED_AT + timedelta(days=1))
    if type == RECORDING_CONFIRMED:
        return file.replace(confirmed=look, measured=look)
    if type == RECORDING_MISSING:
        return file.replace(measured=look.replace(size_bytes=None, etag=None, media_type=None))
    copy = Archived(url="s3://archive/live/mystream/2026/01/01/index.m3u8", at=_RECEIVED_AT)
    return file.replace(
        measured=look, archived=copy, sha256="2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    )


def _alarm(type: str, *, full: bool) -> Event:
    about = {"gateway.store": "store", "gateway.reload": "configuration"}.get(type.rpartition(".")[0], "live")
    if type in ABOUT_SINKS:
        about = "ops"
    alarm = Alarm(about=about)
    if full:
        cause = "503 Service Unavailable"
        alarm = Alarm(
            about=about,
            since=_ENDED_AT,
            count=3,
            text=alarm_text(type, about, 3, cause),
            detail=cause,
            link="https://gateway.example.com/",
        )
    return Event(
        id="",
        type=type,
        source=ALARM_SOURCE,
        provider=ALARM_SOURCE,
        received_at=_RECEIVED_AT,
        trust=Trust.BODY if full else Trust.NONE,
        time=_ENDED_AT if full else None,
        alarm=alarm,
    )


def _full(type: str) -> Event:
    if type in ALARM_TYPES:
        return _alarm(type, full=True)
    files: tuple[File, ...] = ()
    if type in _WITH_FILE:
        files = (_file_of(type),)
    elif type == FILE_STARTED:
        files = (File(format="hls"),)  # because a file that begins has nothing else to say
    return Event(
        id="",
        type=type,
        source="live",
        provider="sample",
        vendor_type=_vendor_type(type),
        received_at=_RECEIVED_AT,
        trust=Trust.FIELDS,
        domain="push.example.com",
        app="live",
        stream="mystream",
        format="hls",
        project_id="70b76000000034253880af501cd00000",
        job_id="dc0a1773-0cef-4000-8000-9a38fdb095d2" if files else None,
        task_id="task-1",
        time=_ENDED_AT if type in _WITH_FILE else None,
        files=files,
        error=Fault(code="PULL_FAILED", message="the stream could not be pulled") if type == RECORDING_FAILED else None,
        verified=Verified(trust=Trust.FIELDS, scheme="sample", key=0),
        extra=_extra(type),
        cause=Cause(_CAUSE_ID, _SINKS[type]) if type in FOLLOW_UP_TYPES else None,
        depth=1 if type in FOLLOW_UP_TYPES else 0,
    )


def _vendor_type(type: str) -> str | None:
    """The vendor's name of the type; what the gateway found out itself has none."""
    if type in FOLLOW_UP_TYPES or type in {RECORDING_OVERDUE, RECORDING_RECOVERED}:
        return None
    return "SOMETHING_NEW" if type == RECORDING_UNKNOWN else type.removeprefix("recording.").upper()


def _extra(type: str) -> dict[str, object]:
    if type in {RECORDING_OVERDUE, RECORDING_RECOVERED}:
        return {"watch": "no-file", "expected": FILE_COMPLETED}
    return {"note": "a field without a place"} if type == RECORDING_UNKNOWN else {}


def _sparse(type: str) -> Event:
    if type in ALARM_TYPES:
        return _alarm(type, full=False)
    files = (File(),) if type in {FILE_STARTED, *_WITH_FILE} else ()
    return Event(id="", type=type, source="live", provider="sample", received_at=_RECEIVED_AT, files=files)


def _id(event: Event) -> str:
    about = [] if event.alarm is None else [event.alarm.about]
    names = (event.source, event.type, event.domain, event.app, event.stream, event.format)
    return event_id(*names, ["sample", *about])
