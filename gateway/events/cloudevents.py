"""An event as CloudEvents 1.0 JSON, both ways: the form that is stored, forwarded, matched by `where`, and shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gateway.compact_json import encode_json, encode_json_sorted
from gateway.events.event_annotations import keep_json, kept_json, original_of
from gateway.events.fields_of import flag_of, list_of, needed, number_of, object_of, text_of, time_of, whole_of, wrong
from gateway.events.later_fields import cause_document, cause_of, later_document, later_of
from gateway.events.struct_json import DATA_SCHEMA, compact
from gateway.events.times import format_time, parse_time
from gateway.model import ALARM_PREFIX, Alarm, Event, Fault, File, Storage, Trust, Verified

__all__ = [
    "DATA_SCHEMA", "SOURCE_PREFIX", "fingerprint", "format_time", "from_document", "keep_json", "parse_time", "render", "to_document",
    "to_json",
]  # fmt: skip

SOURCE_PREFIX: Final = "/sources/"  # the configured name follows: an event's `source` in JSON is a URI


# --- to JSON ------------------------------------------------------------------------------------------------------


def to_document(event: Event) -> dict[str, Any]:
    """The CloudEvents JSON object; inside `data` what is absent is null, `time` and `subject` are left out."""
    return {**_envelope(event), "data": {**_said(event), **_circumstances(event)}}


def to_json(event: Event) -> str:
    """The document as compact JSON text: byte-stable for one event, so that it can be signed.

    Raises ValueError for what JSON or UTF-8 cannot hold, such as a NaN in `extra`.
    """
    if (kept := kept_json(event)) is not None:
        return kept
    made = compact(event)
    return keep_json(event, encode_json(to_document(event)) if made is None else made[0])


def fingerprint(event: Event) -> bytes:
    """16 bytes over what the event says, without when it came and how it was signed: equal content, equal bytes."""
    return render(event)[1]


def render(event: Event) -> tuple[str, bytes]:
    """`to_json` and `fingerprint` at once, for the hot path: what the event says is encoded one time for both."""
    time = "" if event.time is None else format_time(event.time)
    body, said = compact(event, time) or _spelled_out(event)
    if event.extra:
        # the only part whose order the vendor chooses, and a second try may come in another one
        said = encode_json_sorted(_said(event)).encode()
    named = b"\0".join((event.id.encode(), event.type.encode(), event.source.encode(), time.encode(), said))
    if original := original_of(event):
        named += b"\0" + original.hex().encode()
    return keep_json(event, body), hashlib.sha256(named).digest()[:16]


def _spelled_out(event: Event) -> tuple[str, bytes]:
    """The document, and what of its `data` a second try repeats."""
    said = encode_json(_said(event))
    rest = encode_json(_circumstances(event))
    envelope = encode_json(_envelope(event))
    return f'{envelope[:-1]},"data":{said[:-1]},{rest[1:]}}}', said.encode()


def _envelope(event: Event) -> dict[str, object]:
    document: dict[str, object] = {
        "specversion": "1.0",
        "id": event.ref,
        "source": SOURCE_PREFIX + event.source,
        "type": event.type,
    }
    if subject := event.subject:
        document["subject"] = subject
    if event.time is not None:
        document["time"] = format_time(event.time)
    document["datacontenttype"] = "application/json"
    document["dataschema"] = DATA_SCHEMA
    document["trust"] = event.trust.value
    if event.supersedes:
        document["supersedes"] = event.supersedes
    if event.cause is not None:
        document["cause"] = cause_document(event.cause)
    if event.depth:
        document["depth"] = event.depth
    if event.reconciled:
        document["reconciled"] = True
    return document


def _said(event: Event) -> dict[str, object]:
    """The part of `data` that a second try of the same callback repeats; an alarm has more than a recording."""
    data: dict[str, object] = {
        "provider": event.provider,
        "vendor_type": event.vendor_type,
        "domain": event.domain,
        "app": event.app,
        "stream": event.stream,
        "format": event.format,
        "project_id": event.project_id,
        "job_id": event.job_id,
        "task_id": event.task_id,
        "files": [_file_object(file) for file in event.files],
        "error": None if event.error is None else {"code": event.error.code, "message": event.error.message},
        "problems": list(event.problems),
        "extra": dict(event.extra),
    }
    if event.alarm is not None:
        data |= _alarm(event.alarm)
    return data


def _alarm(alarm: Alarm) -> dict[str, object]:
    return {
        "about": alarm.about,
        "since": None if alarm.since is None else format_time(alarm.since),
        "count": alarm.count,
        "text": alarm.text,
        "detail": alarm.detail,
        "link": alarm.link,
    }


def _circumstances(event: Event) -> dict[str, object]:
    verified = event.verified
    return {
        "received_at": format_time(event.received_at),
        "verified": None if verified is None else {"scheme": verified.scheme, "key": verified.key},
    }


def _file_object(file: File) -> dict[str, object]:
    storage = file.storage
    document: dict[str, object] = {
        "format": file.format,
        "download_url": file.download_url,
        "play_url": file.play_url,
        "asset_id": file.asset_id,
        "size_bytes": file.size_bytes,
        "duration_seconds": file.duration_seconds,
        "width": file.width,
        "height": file.height,
        "started_at": None if file.started_at is None else format_time(file.started_at),
        "ended_at": None if file.ended_at is None else format_time(file.ended_at),
        "storage": None
        if storage is None
        else {"location": storage.location, "bucket": storage.bucket, "key": storage.key},
    }
    return document | later_document(file)


# --- from JSON ----------------------------------------------------------------------------------------------------


def from_document(document: Mapping[str, Any], raw: bytes = b"", raw_type: str = "") -> Event:
    """The event of a document that `to_document` made, or a person wrote with at least `id`, `source`, `type`.

    Raises ValueError naming the field that cannot be read.
    """
    data = object_of(document, "data") or {}
    verified = object_of(data, "verified")
    fault = object_of(data, "error")
    try:
        trust = Trust(document.get("trust", Trust.NONE))
    except ValueError:
        raise ValueError(f"trust: {document['trust']!r} is none of {', '.join(Trust)}") from None
    return Event(
        id=needed(document, "id"),
        type=needed(document, "type"),
        source=needed(document, "source").removeprefix(SOURCE_PREFIX),
        provider=text_of(data, "provider") or "",
        received_at=time_of(data, "received_at") or datetime.fromtimestamp(0, UTC),
        trust=trust,
        vendor_type=text_of(data, "vendor_type"),
        domain=text_of(data, "domain"),
        app=text_of(data, "app"),
        stream=text_of(data, "stream"),
        format=text_of(data, "format"),
        project_id=text_of(data, "project_id"),
        job_id=text_of(data, "job_id"),
        task_id=text_of(data, "task_id"),
        time=time_of(document, "time"),
        files=tuple([_file_of(entry) for entry in list_of(data, "files")]),
        error=None if fault is None else Fault(code=text_of(fault, "code"), message=text_of(fault, "message")),
        verified=None
        if verified is None
        else Verified(trust=trust, scheme=needed(verified, "scheme"), key=whole_of(verified, "key")),
        extra=object_of(data, "extra") or {},
        problems=tuple(list_of(data, "problems")),
        alarm=_alarm_of(data) if str(document["type"]).startswith(ALARM_PREFIX) else None,
        supersedes=text_of(document, "supersedes") or "",
        cause=cause_of(document),
        depth=_depth_of(document),
        reconciled=flag_of(document, "reconciled"),
        raw=raw,
        raw_type=raw_type,
    )


def _depth_of(document: Mapping[str, object]) -> int:
    depth = whole_of(document, "depth") or 0
    if depth < 0:
        raise ValueError("depth: how many causes stand before it, from 0")
    return depth


def _alarm_of(data: Mapping[str, object]) -> Alarm:
    count = whole_of(data, "count")
    return Alarm(
        about=needed(data, "about"),
        since=time_of(data, "since"),
        count=1 if count is None else count,
        text=text_of(data, "text") or "",
        detail=text_of(data, "detail") or "",
        link=text_of(data, "link"),
    )


def _file_of(entry: object) -> File:
    if not isinstance(entry, Mapping):
        raise wrong("files", entry, "an object for each")
    stored = object_of(entry, "storage")
    return File(
        format=text_of(entry, "format"),
        download_url=text_of(entry, "download_url"),
        play_url=text_of(entry, "play_url"),
        asset_id=text_of(entry, "asset_id"),
        size_bytes=whole_of(entry, "size_bytes"),
        duration_seconds=number_of(entry, "duration_seconds"),
        width=whole_of(entry, "width"),
        height=whole_of(entry, "height"),
        started_at=time_of(entry, "started_at"),
        ended_at=time_of(entry, "ended_at"),
        storage=None
        if stored is None
        else Storage(
            location=text_of(stored, "location"), bucket=text_of(stored, "bucket"), key=text_of(stored, "key")
        ),
        **later_of(entry),
    )
