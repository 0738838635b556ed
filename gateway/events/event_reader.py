"""Reads an event as a person writes it, flat or as CloudEvents JSON, and says what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.events import cloudevents
from gateway.model import (
    ALARM_PREFIX,
    ALL_TYPES,
    Alarm,
    Archived,
    Cause,
    Event,
    Fault,
    File,
    Measured,
    Storage,
    Trust,
)
from gateway.text.suggest import suggestion

_DOCUMENT_KEYS: Final = (
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "trust",
    "supersedes",
    "cause",
    "depth",
    "reconciled",
    "data",
)
_NEVER_ABSENT: Final = ("id", "source", "provider", "received_at", "trust", "reconciled")


def is_document(mapping: object) -> bool:
    """Whether this is meant as CloudEvents JSON. Raises ValueError for what is no mapping at all."""
    return bool({"data", "specversion"} & _mapping("event", mapping).keys())


def type_of(value: object) -> str:
    """One of ALL_TYPES, or ValueError with a near miss."""
    if value is None:
        raise ValueError("the event has no `type`; one of " + ", ".join(ALL_TYPES))
    return known_type(_read_text("type", value) or "")


def known_type(type: str) -> str:
    """The type itself. Raises ValueError with a near miss."""
    if type not in ALL_TYPES:
        raise ValueError(f"`type`: there is no event type {type!r}" + suggestion(type, ALL_TYPES))
    return type


def flat_arguments(flat: Mapping[str, object], file: File) -> dict[str, Any]:
    """What the flat form says, as arguments of `Event`; what its files leave out comes from `file`."""
    _only(FLAT_KEYS, flat, "")
    for key in _NEVER_ABSENT:
        if key in flat and flat[key] in (None, ""):
            raise ValueError(f"`{key}` cannot be absent: leave it out to get the sample's")
    arguments = {key: _FLAT[key](key, value) for key, value in flat.items() if key != "files"}
    if "files" in flat:
        entries = enumerate(_list("files", flat["files"]))
        arguments["files"] = tuple(_read_file(f"files[{n}]", entry, file) for n, entry in entries)
    return arguments


def read_alarm(flat: Mapping[str, object], base: Alarm) -> Alarm:
    """The alarm of `base` with what the flat form says of it instead."""
    return base.replace(**{key: _ALARM[key](key, flat[key]) for key in ALARM_KEYS & flat.keys()})


def from_document(document: Mapping[str, Any]) -> Event:
    """The event of CloudEvents JSON that a person wrote or another program made. Raises ValueError."""
    _only(_DOCUMENT_KEYS, document, "")
    for key in ("id", "source", "type"):
        if not isinstance(document.get(key), str) or not document[key]:
            raise ValueError(f"`{key}` is missing: CloudEvents JSON has `id`, `source` and `type` as text")
    known_type(document["type"])
    _trust("trust", document.get("trust", "none"))
    data = dict(_mapping("data", document.get("data") or {}))
    known = (*_DATA_KEYS, *ALARM_KEYS) if document["type"].startswith(ALARM_PREFIX) else _DATA_KEYS
    _only(known, data, "data")
    for key, value in data.items():
        if key == "files":
            for n, entry in enumerate(_list("data.files", value)):
                _record(_FILE, f"data.files[{n}]", entry)
        elif key in _SAID:
            flat_arguments = _SAID[key](f"data.{key}", value)
            data[key] = (
                flat_arguments if isinstance(flat_arguments, str) else value
            )  # because a stream called 1001 may be a bare number
    return cloudevents.from_document({**document, "data": data})


def _read_file(where: str, entry: object, base: File) -> File:
    return entry if isinstance(entry, File) else base.replace(**_record(_FILE, where, entry))


def _record(readers: Mapping[str, Callable[[str, object], object]], where: str, value: object) -> dict[str, Any]:
    entry = _mapping(where, value)
    _only(readers, entry, where)
    return {key: readers[key](f"{where}.{key}", part) for key, part in entry.items()}


def _only(known: Collection[str], found: Collection[object], where: str) -> None:
    for key in found:
        if key not in known:
            place = f" in `{where}`" if where else ""
            raise ValueError(f"unknown key {key!r}{place}" + suggestion(str(key), known))


def _read_text(key: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)  # because a bare number is how people write a stream called 1001
    raise ValueError(f"`{key}` is text, not {_kind(value)}")


def _texts(key: str, value: object) -> tuple[str, ...]:
    return tuple(_read_text(key, entry) or "" for entry in _list(key, value))


def _whole(key: str, value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)  # because a loader may keep a scalar as its source text
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError(f"`{key}` is a whole number, not {_kind(value)}")


def _real(key: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise ValueError(f"`{key}` is a number, not {_kind(value)}")


def _time(key: str, value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return cloudevents.parse_time(str(value))
    except ValueError:
        raise ValueError(f"`{key}` is an RFC 3339 time such as 2026-01-01T12:00:00Z, not {str(value)!r}") from None


def _trust(key: str, value: Any) -> Trust:
    try:
        return Trust(value)
    except ValueError:
        raise ValueError(f"`{key}` is one of {', '.join(Trust)}, not {value!r}") from None


def _storage(key: str, value: object) -> Storage | None:
    return value if value is None or isinstance(value, Storage) else Storage(**_record(_STORAGE, key, value))


def _fault(key: str, value: object) -> Fault | None:
    if value is None or isinstance(value, Fault):
        return value
    if isinstance(value, str):
        return Fault(message=value)
    return Fault(**_record(_FAULT, key, value))


def _measured(key: str, value: object) -> Measured | None:
    if value is None or isinstance(value, Measured):
        return value
    fields = _record(_MEASURED, key, value)
    if fields.get("at") is None or not fields.get("by"):
        raise ValueError(f"`{key}` needs `at`, when somebody looked, and `by`, who did")
    return Measured(**fields)


def _archived(key: str, value: object) -> Archived | None:
    if value is None or isinstance(value, Archived):
        return value
    fields = _record(_ARCHIVED, key, value)
    if not fields.get("url"):
        raise ValueError(f"`{key}` needs `url`, where the copy lies")
    return Archived(**fields)


def _cause(key: str, value: object) -> Cause | None:
    if value is None or isinstance(value, Cause):
        return value
    fields = _record(_CAUSE, key, value)
    if not fields.get("id") or not fields.get("sink"):
        raise ValueError(f"`{key}` needs `id`, the event it follows on, and `sink`, which made it")
    return Cause(**fields)


def _depth(key: str, value: object) -> int:
    return _whole(key, value) or 0


def _flag(key: str, value: object) -> bool:
    if value in (True, "true", False, "false"):
        return value in (True, "true")  # because a loader may keep a scalar as its source text
    raise ValueError(f"`{key}` is true or false, not {_kind(value)}")


def _mapping(key: str, value: object) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return value
    raise ValueError(f"`{key}` is a mapping, not {_kind(value)}")


def _list(key: str, value: object) -> Sequence[object]:
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return value
    raise ValueError(f"`{key}` is a list, not {_kind(value)}")


def _kind(value: object) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (str, int, float)):
        return repr(value)
    return "nothing" if value is None else "a list" if isinstance(value, Sequence) else type(value).__name__


def _extra(key: str, value: object) -> dict[str, object]:
    return {} if value is None else dict(_mapping(key, value))


_STORAGE: Final = dict.fromkeys(Storage.__struct_fields__, _read_text)
_FAULT: Final = dict.fromkeys(Fault.__struct_fields__, _read_text)
_MEASURED: Final[Mapping[str, Callable[[str, object], object]]] = {
    "at": _time,
    "by": _read_text,
    "size_bytes": _whole,
    "etag": _read_text,
    "media_type": _read_text,
}
_ARCHIVED: Final[Mapping[str, Callable[[str, object], object]]] = {"url": _read_text, "at": _time}
_CAUSE: Final[Mapping[str, Callable[[str, object], object]]] = {"id": _read_text, "sink": _read_text, "earlier": _texts}
_FILE: Final[Mapping[str, Callable[[str, object], object]]] = {
    **dict.fromkeys(("format", "download_url", "play_url", "asset_id"), _read_text),
    **dict.fromkeys(("size_bytes", "width", "height"), _whole),
    **dict.fromkeys(("started_at", "ended_at"), _time),
    "duration_seconds": _real,
    "storage": _storage,
    "expires_at": _time,
    "sha256": _read_text,
    "confirmed": _measured,
    "measured": _measured,
    "archived": _archived,
}
_SAID: Final[Mapping[str, Callable[[str, object], object]]] = {
    **dict.fromkeys(("provider", "vendor_type", "domain", "app", "stream", "format"), _read_text),
    **dict.fromkeys(("project_id", "job_id", "task_id"), _read_text),
    "error": _fault,
    "received_at": _time,
    "problems": _texts,
    "extra": _extra,
}
_ALARM: Final[Mapping[str, Callable[[str, object], object]]] = {
    "about": lambda key, value: _read_text(key, value) or "",
    "since": _time,
    "count": lambda key, value: _whole(key, value) or 0,
    "text": lambda key, value: _read_text(key, value) or "",
    "detail": lambda key, value: _read_text(key, value) or "",
    "link": _read_text,
}
ALARM_KEYS: Final = frozenset(_ALARM)
"""What a flat event of the gateway's own types may say besides."""
_ROUND: Final = {"trust": _trust, "cause": _cause, "depth": _depth, "reconciled": _flag}
_FLAT: Final = {**_SAID, "id": _read_text, "source": _read_text, "time": _time, **_ROUND}
_DATA_KEYS: Final = (*_SAID, "files", "verified")
FLAT_KEYS: Final = ("type", *_FLAT, "files")
"""What a flat event may say."""
