"""The JSON of what no callback says: what was found out of a file later, and what a follow-up follows on.

All of it is left out where there is none, so that the JSON of a callback's event is the same with it and without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.events.fields_of import list_of, needed, object_of, text_of, time_of, whole_of, wrong
from gateway.events.times import format_time
from gateway.model import Archived, Cause, File, Measured


def later_document(file: File) -> dict[str, object]:
    """What is known of a file beyond its callback."""
    document: dict[str, object] = {}
    if file.expires_at is not None:
        document["expires_at"] = format_time(file.expires_at)
    if file.sha256 is not None:
        document["sha256"] = file.sha256
    if file.confirmed is not None:
        document["confirmed"] = _measured(file.confirmed)
    if file.measured is not None:
        document["measured"] = _measured(file.measured)
    if file.archived is not None:
        at = file.archived.at
        document["archived"] = {"url": file.archived.url, "at": None if at is None else format_time(at)}
    return document


def _measured(measured: Measured) -> dict[str, object]:
    return {
        "at": format_time(measured.at),
        "by": measured.by,
        "size_bytes": measured.size_bytes,
        "etag": measured.etag,
        "media_type": measured.media_type,
    }


def later_of(entry: Mapping[str, object]) -> dict[str, Any]:
    """The same fields as arguments of `File`. Raises ValueError naming the field that cannot be read."""
    archived = object_of(entry, "archived")
    return {
        "expires_at": time_of(entry, "expires_at"),
        "sha256": text_of(entry, "sha256"),
        "confirmed": _measured_of(entry, "confirmed"),
        "measured": _measured_of(entry, "measured"),
        "archived": None if archived is None else Archived(url=needed(archived, "url"), at=time_of(archived, "at")),
    }


def _measured_of(entry: Mapping[str, object], name: str) -> Measured | None:
    measured = object_of(entry, name)
    if measured is None:
        return None
    if (at := time_of(measured, "at")) is None:
        raise ValueError(f"{name}.at: missing")
    return Measured(
        at=at,
        by=needed(measured, "by"),
        size_bytes=whole_of(measured, "size_bytes"),
        etag=text_of(measured, "etag"),
        media_type=text_of(measured, "media_type"),
    )


def cause_document(cause: Cause) -> dict[str, object]:
    """As it stands in the event; `earlier` only where there are any."""
    document: dict[str, object] = {"id": cause.id, "sink": cause.sink}
    return document | {"earlier": list(cause.earlier)} if cause.earlier else document


def cause_of(document: Mapping[str, object]) -> Cause | None:
    """The cause an event's JSON names. Raises ValueError naming the field that cannot be read."""
    cause = object_of(document, "cause")
    if cause is None:
        return None
    earlier = list_of(cause, "earlier")
    if not all(isinstance(sink, str) for sink in earlier):
        raise wrong("cause.earlier", earlier, "a list of the names of sinks")
    return Cause(needed(cause, "id"), needed(cause, "sink"), tuple(earlier))
