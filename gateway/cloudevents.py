"""An event as CloudEvents 1.0 JSON, both ways: the form that is stored, forwarded, matched by `where`, and shown."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gateway.model import Event, Fault, File, Storage, Trust, Verified

SOURCE_PREFIX: Final = "/sources/"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
_encode_sorted = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True).encode


def format_time(at: datetime) -> str:
    """RFC 3339 in UTC with a Z and as many digits of a second as there are."""
    at = at.astimezone(UTC).replace(tzinfo=None)
    if not at.microsecond:
        return at.isoformat(timespec="seconds") + "Z"
    return at.isoformat(timespec="microseconds" if at.microsecond % 1000 else "milliseconds") + "Z"


def parse_time(text: str) -> datetime:
    """Aware UTC from RFC 3339. Raises ValueError, also for a time without a zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return at.astimezone(UTC)


def to_document(event: Event) -> dict[str, Any]:
    """The CloudEvents JSON object; inside `data` what is absent is null, `time` and `subject` are left out."""
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": SOURCE_PREFIX + event.source,
        "type": event.type,
        "subject": event.subject,
        "time": None,
        "datacontenttype": "application/json",
        "trust": event.trust.value,
        "data": _data(event),
    }
    if event.time is None:
        del document["time"]
    else:
        document["time"] = format_time(event.time)
    if not document["subject"]:
        del document["subject"]
    return document


def _data(event: Event) -> dict[str, Any]:
    verified = event.verified
    return {
        "provider": event.provider,
        "vendor_type": event.vendor_type,
        "domain": event.domain,
        "app": event.app,
        "stream": event.stream,
        "format": event.format,
        "project_id": event.project_id,
        "job_id": event.job_id,
        "task_id": event.task_id,
        "files": [_file(file) for file in event.files],
        "error": None if event.error is None else {"code": event.error.code, "message": event.error.message},
        "received_at": format_time(event.received_at),
        "verified": None if verified is None else {"scheme": verified.scheme, "key": verified.key},
        "problems": list(event.problems),
        "extra": dict(event.extra),
    }


def _file(file: File) -> dict[str, Any]:
    storage = file.storage
    return {
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


def to_json(event: Event) -> str:
    """The document as compact JSON text: byte-stable for one event, so that it can be signed."""
    return _encode(to_document(event))


def fingerprint(event: Event) -> bytes:
    """16 bytes over what the event says, without when it came and how it was signed: equal content, equal bytes."""
    data = _data(event)
    del data["received_at"], data["verified"]
    time = None if event.time is None else format_time(event.time)
    said = _encode_sorted([event.id, event.type, event.source, time, data])
    return hashlib.sha256(said.encode()).digest()[:16]


def from_document(document: Mapping[str, Any], raw: bytes = b"") -> Event:
    """The event of a document that `to_document` made, or a person wrote with at least `id`, `source`, `type`.

    Raises ValueError naming the field that cannot be read.
    """
    data = document.get("data") or {}
    verified = data.get("verified")
    trust = Trust(document.get("trust", "none"))
    fault = data.get("error")
    source = str(document["source"])
    received = data.get("received_at")
    return Event(
        id=document["id"],
        type=document["type"],
        source=source.removeprefix(SOURCE_PREFIX),
        provider=data.get("provider") or "",
        received_at=parse_time(received) if received else datetime.fromtimestamp(0, UTC),
        trust=trust,
        vendor_type=data.get("vendor_type"),
        domain=data.get("domain"),
        app=data.get("app"),
        stream=data.get("stream"),
        format=data.get("format"),
        project_id=data.get("project_id"),
        job_id=data.get("job_id"),
        task_id=data.get("task_id"),
        time=_time(document, "time"),
        files=tuple(_file_of(entry) for entry in data.get("files") or ()),
        error=Fault(code=fault.get("code"), message=fault.get("message")) if fault else None,
        verified=Verified(trust=trust, scheme=verified["scheme"], key=verified.get("key")) if verified else None,
        extra=data.get("extra") or {},
        problems=tuple(data.get("problems") or ()),
        raw=raw,
    )


def _file_of(entry: Mapping[str, Any]) -> File:
    stored = entry.get("storage")
    return File(
        format=entry.get("format"),
        download_url=entry.get("download_url"),
        play_url=entry.get("play_url"),
        asset_id=entry.get("asset_id"),
        size_bytes=entry.get("size_bytes"),
        duration_seconds=entry.get("duration_seconds"),
        width=entry.get("width"),
        height=entry.get("height"),
        started_at=_time(entry, "started_at"),
        ended_at=_time(entry, "ended_at"),
        storage=Storage(location=stored.get("location"), bucket=stored.get("bucket"), key=stored.get("key"))
        if stored
        else None,
    )


def _time(entry: Mapping[str, Any], name: str) -> datetime | None:
    text = entry.get(name)
    if text is None:
        return None
    try:
        return parse_time(text)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from None
