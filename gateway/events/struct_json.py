"""An event's JSON straight from its Structs, and back: for what is usual, in a tenth of the time.

Both ways give what `cloudevents` would, byte for byte; where that is not certain they give None, and it is asked. So what
is written here never depends on how a library spells an odd number or time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec

from gateway.compact_json import encode_json, encode_struct
from gateway.events.later_fields import cause_document, later_document
from gateway.events.times import format_time
from gateway.model import ALARM_PREFIX, Cause, Event, Fault, File, Storage, Trust, Verified

DATA_SCHEMA: Final = "urn:recording-gateway:event:1#data"
"""`dataschema` of every event: `gateway schema event` prints what it names."""
_PLAIN_MIN: Final = 1e-4  # from here up to _PLAIN_MAX every encoder spells a fraction in the same way
_PLAIN_MAX: Final = 1e16
# What stands before what the event says, and behind it: no text holds a bare quote, so the first and the last are ours.
_BEGINS: Final = b',"data":'
_ENDS: Final = b',"received_at":"'

_NO_EXTRA: Final = msgspec.Raw(b"{}")
_LEFT_TO_THE_SLOW: Final = (TypeError, UnicodeError, OverflowError, RecursionError, msgspec.MsgspecError)


class _Scheme(msgspec.Struct, frozen=True):
    scheme: str
    key: int | None


class _FileOut(msgspec.Struct, omit_defaults=True, gc=False):
    """A file as it is written: what no callback says is left out where nobody knows it."""

    format: str | None
    download_url: str | None
    play_url: str | None
    asset_id: str | None
    size_bytes: int | None
    duration_seconds: float | None
    width: int | None
    height: int | None
    started_at: datetime | str | None
    ended_at: datetime | str | None
    storage: Storage | None
    expires_at: str | None = None
    sha256: str | None = None
    confirmed: Mapping[str, object] | None = None
    measured: Mapping[str, object] | None = None
    archived: Mapping[str, object] | None = None


class _WrittenData(msgspec.Struct, gc=False):
    provider: str
    vendor_type: str | None
    domain: str | None
    app: str | None
    stream: str | None
    format: str | None
    project_id: str | None
    job_id: str | None
    task_id: str | None
    files: list[_FileOut]
    error: Fault | None
    problems: tuple[str, ...]
    extra: msgspec.Raw
    received_at: str
    verified: _Scheme | None


class _WrittenDocument(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str
    dataschema: str
    trust: Trust
    supersedes: str | None = None
    cause: Mapping[str, object] | None = None
    depth: int = 0
    reconciled: bool = False
    data: _WrittenData


def compact(event: Event, time: str | None = None) -> tuple[str, bytes] | None:
    """The document, and what of its `data` a second try repeats; None: `cloudevents` has to write it. `time` is the event's,
    where it was written already (empty: it has none).

    Raises ValueError for what JSON cannot hold.
    """
    files = [written for file in event.files if (written := _written(file)) is not None]
    if (
        event.alarm is not None
        or len(files) < len(event.files)
        or (event.error is not None and type(event.error) is not Fault)
    ):
        return None
    extra = encode_json(dict(event.extra)).encode() if event.extra else None
    if time is None and event.time is not None:
        time = format_time(event.time)
    verified = event.verified
    try:
        document = encode_struct(
            _WrittenDocument(
                specversion="1.0",
                id=str(event.ref),
                source=f"/sources/{event.source}",
                type=event.type,
                subject=event.subject or None,
                time=time or None,
                datacontenttype="application/json",
                dataschema=DATA_SCHEMA,
                trust=event.trust,
                supersedes=event.supersedes or None,
                cause=None if event.cause is None else cause_document(event.cause),
                depth=event.depth,
                reconciled=event.reconciled,
                data=_WrittenData(
                    event.provider,
                    event.vendor_type,
                    event.domain,
                    event.app,
                    event.stream,
                    event.format,
                    event.project_id,
                    event.job_id,
                    event.task_id,
                    files,
                    event.error,
                    event.problems,
                    _NO_EXTRA if extra is None else msgspec.Raw(extra),
                    format_time(event.received_at),
                    None if verified is None else _Scheme(verified.scheme, verified.key),
                ),
            )
        )
        said = document[document.index(_BEGINS) + len(_BEGINS) : document.rindex(_ENDS)] + b"}"
        return document.decode(), said
    except _LEFT_TO_THE_SLOW:
        return None


def _written(file: File) -> _FileOut | None:
    """The file with its times as text; None: something in it is written in more ways than one."""
    seconds, began, ended, storage = file.duration_seconds, file.started_at, file.ended_at, file.storage
    if type(file) is not File or (storage is not None and type(storage) is not Storage):
        return None
    if not (
        seconds is None or type(seconds) is int or seconds == 0 or _PLAIN_MIN <= abs(seconds) < _PLAIN_MAX
    ):  # another encoder may spell it in another way
        return None
    written = _FileOut(
        file.format,
        file.download_url,
        file.play_url,
        file.asset_id,
        file.size_bytes,
        seconds,
        file.width,
        file.height,
        # whole seconds in UTC are spelt by the encoder as `format_time` does, and faster
        began if began is None or (began.tzinfo is UTC and not began.microsecond) else format_time(began),
        ended if ended is None or (ended.tzinfo is UTC and not ended.microsecond) else format_time(ended),
        storage,
    )
    if not file.is_as_it_came:
        for name, value in later_document(file).items():
            setattr(written, name, value)
    return written


# --- back ---------------------------------------------------------------------------------------------------------


class _StoredData(msgspec.Struct):
    provider: str
    received_at: datetime
    vendor_type: str | None = None
    domain: str | None = None
    app: str | None = None
    stream: str | None = None
    format: str | None = None
    project_id: str | None = None
    job_id: str | None = None
    task_id: str | None = None
    files: tuple[File, ...] = ()
    error: Fault | None = None
    problems: tuple[str, ...] = ()
    extra: Mapping[str, object] = msgspec.field(default_factory=dict)
    verified: _Scheme | None = None


class _StoredEvent(msgspec.Struct):
    id: str
    source: str
    type: str
    trust: Trust
    data: _StoredData
    time: datetime | None = None
    supersedes: str = ""
    cause: Cause | None = None
    depth: int = 0
    reconciled: bool = False


_decode: Final = msgspec.json.Decoder(_StoredEvent).decode


def read_compact(body: str, raw: bytes, raw_type: str) -> Event | None:
    """The event of a body that was stored; None: `from_document` has to read it."""
    try:
        stored = _decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return None
    data, verified = stored.data, stored.data.verified
    if stored.type.startswith(ALARM_PREFIX):
        return None
    if data.received_at.tzinfo is not UTC or not (stored.id and stored.source and stored.type):  # not written here
        return None
    return Event(
        id=stored.id,
        type=stored.type,
        source=stored.source.removeprefix("/sources/"),
        provider=data.provider,
        received_at=data.received_at,
        trust=stored.trust,
        vendor_type=data.vendor_type,
        domain=data.domain,
        app=data.app,
        stream=data.stream,
        format=data.format,
        project_id=data.project_id,
        job_id=data.job_id,
        task_id=data.task_id,
        time=stored.time,
        files=data.files,
        error=data.error,
        verified=None if verified is None else Verified(stored.trust, verified.scheme, verified.key),
        extra=data.extra,
        problems=data.problems,
        supersedes=stored.supersedes,
        cause=stored.cause,
        depth=stored.depth,
        reconciled=stored.reconciled,
        raw=raw,
        raw_type=raw_type,
    )
