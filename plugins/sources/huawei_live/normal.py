"""A Huawei Live callback as an event: every field of the vendor's page, and what names the event for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    RECORDING_UNKNOWN,
    Callback,
    Event,
    Fault,
    File,
    Storage,
    Verified,
    event_id,
    format_time,
)
from plugins.sources.common.fields import PIXELS_MAX, Reading, texts_of
from plugins.vendors.huawei_live import signature

TYPES: Final = {
    signature.START: RECORDING_STARTED,
    signature.FILE_START: FILE_STARTED,
    signature.FILE_COMPLETE: FILE_COMPLETED,
    signature.OVER: RECORDING_ENDED,
    signature.FAILED: RECORDING_FAILED,
}
IDENTITY: Final = ("job_id", "task_id", "asset_id", "obs_bucket", "obs_object")  # what names a file
_NAMED_BY: Final = signature.NAMES[:4]
_TEXTS_OF_A_FILE: Final = ("obs_location", "obs_bucket", "obs_object", "download_url", "play_url", "asset_id")
_HAVE_NO_PLACE: Final = (*_NAMED_BY, "auth_sign", "auth_timestamp")
_OF_A_FILE: Final = (
    "download_url",
    "play_url",
    "asset_id",
    "file_size",
    "record_duration",
    "width",
    "height",
    "start_time",
    "end_time",
    "obs_location",
    "obs_bucket",
    "obs_object",
)


def event_of(source: str, callback: Callback, verified: Verified, *, signed: bool) -> Event:
    """The event of one callback; `signed`: its auth fields mean something. Raises Malformed where it cannot be named."""
    document = callback.json()
    vendor_type, domain, app, stream = texts_of(document, _NAMED_BY)
    type = TYPES.get(vendor_type, RECORDING_UNKNOWN)
    reading = Reading(document)
    reading.drop(*_HAVE_NO_PLACE)
    format = reading.text("record_format")
    format = format.lower() if format else None
    files = _files(reading, type, format)
    error = None
    if type == RECORDING_FAILED or (type == RECORDING_UNKNOWN and reading.has("error_message")):
        error = Fault(message=reading.text("error_message"))
    moment = signature.expiry_of(document.get("auth_timestamp")) if signed else None
    project_id, job_id, task_id = reading.texts("project_id", "job_id", "task_id")
    identity = _identity(document, type, moment or format_time(callback.received_at))
    return Event(
        id=event_id(source, type, domain, app, stream, format, identity),
        type=type,
        source=source,
        provider="huawei-live",
        received_at=callback.received_at,
        trust=verified.trust,
        vendor_type=vendor_type,
        domain=domain,
        app=app,
        stream=stream,
        format=format,
        project_id=project_id,
        job_id=job_id,
        task_id=task_id,
        time=files[0].ended_at if type == FILE_COMPLETED else None,
        files=files,
        error=error,
        verified=verified,
        extra=reading.extra(),
        problems=tuple(reading.problems),
        raw=callback.body,
    )


def _identity(document: Mapping[str, object], type: str, moment: str) -> list[object]:
    """What names the thing, as it came: the file's own names, else the moment (the signature's expiry, which alone
    tells two starts of one stream apart; unsigned, the time of arrival). An unknown type is part of its event's name."""
    if document.get("job_id") not in (None, ""):
        names = [document.get(name) for name in IDENTITY]
    else:
        names = [moment, document.get("task_id"), document.get("error_message")]
    return [*names, document["event_type"]] if type == RECORDING_UNKNOWN else names


def _files(reading: Reading, type: str, format: str | None) -> tuple[File, ...]:
    if type == FILE_STARTED:
        return (File(format=format),)  # because nothing else is known of a file that begins
    if type != FILE_COMPLETED and not (type == RECORDING_UNKNOWN and reading.has(*_OF_A_FILE)):
        return ()
    location, bucket, key, download_url, play_url, asset_id = reading.texts(*_TEXTS_OF_A_FILE)
    file = File(
        format=format,
        download_url=download_url,
        play_url=play_url,
        asset_id=asset_id,
        size_bytes=reading.whole("file_size"),
        duration_seconds=reading.seconds("record_duration"),
        width=reading.whole("width", PIXELS_MAX),
        height=reading.whole("height", PIXELS_MAX),
        started_at=reading.time("start_time"),
        ended_at=reading.time("end_time"),
        storage=Storage(location=location, bucket=bucket, key=key) if location or bucket or key else None,
    )
    return (file,)
