"""The gateway's own table: its columns, and the rows of an event for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from gateway import Event, File, Storage, to_document

ROW_KEY: Final = "row_key"
STORED_AT: Final = "stored_at"
VERSION: Final = "received_at"
ValueKind = Literal["id", "index", "text", "whole", "big", "number", "time", "json"]
_ReadColumn = Callable[[Event, int, File, Storage], object]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what kind of value it holds, whether it always has one, and how it is read off an event."""

    kind: ValueKind
    read: _ReadColumn
    needed: bool = False


_EVENT: Final[Mapping[str, Column]] = {
    "event_id": Column("id", lambda event, *_: event.ref, needed=True),
    "file_index": Column("index", lambda _, index, *__: index, needed=True),
    "event_type": Column("text", lambda event, *_: event.type, needed=True),
    "source": Column("text", lambda event, *_: event.source, needed=True),
    "provider": Column("text", lambda event, *_: event.provider, needed=True),
    "vendor_type": Column("text", lambda event, *_: event.vendor_type),
    "trust": Column("text", lambda event, *_: event.trust.value, needed=True),
    "domain": Column("text", lambda event, *_: event.domain),
    "app": Column("text", lambda event, *_: event.app),
    "stream": Column("text", lambda event, *_: event.stream),
    "format": Column("text", lambda event, _, file, __: file.format or event.format),
    "project_id": Column("text", lambda event, *_: event.project_id),
    "job_id": Column("text", lambda event, *_: event.job_id),
    "task_id": Column("text", lambda event, *_: event.task_id),
    "cause_id": Column("text", lambda event, *_: event.cause.id if event.cause else None),
    "cause_sink": Column("text", lambda event, *_: event.cause.sink if event.cause else None),
    "event_time": Column("time", lambda event, *_: event.time),
    VERSION: Column("time", lambda event, *_: event.received_at, needed=True),
}
_FILE: Final[Mapping[str, Column]] = {
    "download_url": Column("text", lambda _, __, file, ___: file.download_url),
    "play_url": Column("text", lambda _, __, file, ___: file.play_url),
    "asset_id": Column("text", lambda _, __, file, ___: file.asset_id),
    "size_bytes": Column("big", lambda _, __, file, ___: file.size_bytes),
    "duration_seconds": Column("number", lambda _, __, file, ___: file.duration_seconds),
    "width": Column("big", lambda _, __, file, ___: file.width),
    "height": Column("big", lambda _, __, file, ___: file.height),
    "started_at": Column("time", lambda _, __, file, ___: file.started_at),
    "ended_at": Column("time", lambda _, __, file, ___: file.ended_at),
    "storage_location": Column("text", lambda _, __, ___, storage: storage.location),
    "storage_bucket": Column("text", lambda _, __, ___, storage: storage.bucket),
    "storage_key": Column("text", lambda _, __, ___, storage: storage.key),
    "expires_at": Column("time", lambda _, __, file, ___: file.expires_at),
    "sha256": Column("text", lambda _, __, file, ___: file.sha256),
    "archived_url": Column("text", lambda _, __, file, ___: file.archived.url if file.archived else None),
}
_FILES: Final[Mapping[str, Column]] = {
    "files": Column("json", lambda event, *_: to_document(event)["data"]["files"] or None),
    "file_count": Column("whole", lambda event, *_: len(event.files) or None),
}
_REST: Final[Mapping[str, Column]] = {
    "error_code": Column("text", lambda event, *_: event.error.code if event.error else None),
    "error_message": Column("text", lambda event, *_: _message(event)),
    "extra": Column("json", lambda event, *_: dict(event.extra) or _alarm(event)),
    STORED_AT: Column("time", lambda *_: None, needed=True),  # the sink's clock says it
}


def _message(event: Event) -> str | None:
    """What went wrong, in the vendor's words or in ours."""
    if event.alarm is not None:
        return event.alarm.text
    return event.error.message if event.error else None


def _alarm(event: Event) -> Mapping[str, object] | None:
    """What an alarm has beside its text, as in `data`."""
    if event.alarm is None:
        return None
    data = to_document(event)["data"]
    return {key: data[key] for key in ("about", "since", "count", "detail", "link")}


_OF_FILE: Final = {**_EVENT, **_FILE, **_REST}
_OF_EVENT: Final = {name: column for name, column in {**_EVENT, **_FILES, **_REST}.items() if name != "file_index"}


def columns(rows: str) -> Mapping[str, Column]:
    """The columns of a table with one row a `file` or one an `event`, in order; without the key's own column."""
    return _OF_FILE if rows == "file" else _OF_EVENT


def primary_key(rows: str, key: Sequence[str]) -> tuple[str, ...]:
    """The columns that are unique together."""
    return (ROW_KEY,) if key else ("event_id", "file_index") if rows == "file" else ("event_id",)


class Standard:
    """Rows for the gateway's own table. With `key` a row's name is made of the key's values, else of the event's id."""

    def __init__(self, rows: str, key: Sequence[str], now: Callable[[], datetime]) -> None:
        self._files = rows == "file"
        self._columns = columns(rows)
        self._key = tuple(key)
        self._now = now

    def rows(self, event: Event) -> list[dict[str, object]]:
        """One row a file (one for an event without files), or one for the event."""
        files: Sequence[File] = (event.files or (File(),)) if self._files else (File(),)
        return [self._row(event, index, file) for index, file in enumerate(files)]

    def _row(self, event: Event, index: int, file: File) -> dict[str, object]:
        storage = file.storage or Storage()
        row = {name: column.read(event, index, file, storage) for name, column in self._columns.items()}
        row[STORED_AT] = self._now()
        if self._key:
            row[ROW_KEY] = self._row_key(event, index, row)
        return row

    def _row_key(self, event: Event, index: int, row: Mapping[str, object]) -> str:
        """A hash, because values may be longer than an index takes, and absent ones must not make every row its own.

        The file's number is part of it, so that two files of one job are two rows. An event that lacks a value of the
        key has a row of its own.
        """
        values = [row[name] for name in self._key]
        named: list[object] = ["event", event.ref] if None in values else ["key", *map(str, values)]
        return hashlib.sha256(json.dumps([*named, index]).encode()).hexdigest()[:40]
