"""The JSON Schema of what is forwarded: one event, and as `#batch` many of them.

Its parts say what an event never does otherwise, and are open to what a later version adds. A change that breaks
readers needs another number in DATA_SCHEMA (`tests/events/test_event_schema.py` compares with docs/event.schema.json).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.events.cloudevents import DATA_SCHEMA, to_json
from gateway.events.samples import sample
from gateway.model import (
    ALARM_PREFIX,
    ALL_TYPES,
    CAUSES_MAX,
    DELIVERY_DEAD,
    FILE_COMPLETED,
    RECORDING_ARCHIVED,
    RECORDING_FAILED,
    Trust,
)

JsonSchema = dict[str, object]

_WHOLE_MAX: Final = 2**63 - 1
_EXAMPLES: Final = (FILE_COMPLETED, RECORDING_FAILED, RECORDING_ARCHIVED, DELIVERY_DEAD)


def event_schema() -> JsonSchema:
    """JSON Schema 2020-12 of an event as CloudEvents JSON; `#data` is that of its `data` alone, `#batch` a list of events."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": DATA_SCHEMA.partition("#")[0],
        "title": "An event of Recording Gateway",
        "description": "What forward, file, exec, pull and the brokers send with body: event. Ignore what you do not know: "
        "fields and types may come in minor versions. In CloudEvents' binary mode the body is #data, in a batch #batch.",
        **_event(),
        "if": {"properties": {"type": {"pattern": f"^{ALARM_PREFIX[:-1]}[.]"}}, "required": ["type"]},
        "then": {"properties": {"data": {"required": list(_ALARM)}}},
        "$defs": {
            "data": {"$anchor": "data", **_data()},
            "batch": {"$anchor": "batch", "type": "array", "items": {"$ref": "#"}},
            "file": _file_schema(),
            "measured": _measured(),
        },
        "examples": [json.loads(to_json(sample(type))) for type in _EXAMPLES],
    }


def _event() -> JsonSchema:
    return _object(
        {
            "specversion": {"const": "1.0"},
            "id": _named("What a repeat is known by, together with `source`."),
            "source": {
                "type": "string",
                "pattern": "^/sources/.",
                "description": "Of the configuration: /sources/NAME.",
            },
            "type": _named("What happened.", examples=list(ALL_TYPES)),
            "datacontenttype": {"const": "application/json"},
            "trust": {"enum": [str(trust) for trust in Trust], "description": "What the vendor's signature covered."},
            "data": {"$ref": "#/$defs/data"},
        },
        {
            "dataschema": {
                "const": DATA_SCHEMA,
                "description": "This schema. Left out of what was stored by a version that had none.",
            },
            "subject": _named("Domain, app and stream, with slashes between them; what an alarm is about."),
            "time": _time("When it happened, by the vendor's clock."),
            "supersedes": _named("The id of less trusted content whose place this takes."),
            "cause": _object(
                {"id": _named("The event that this follows on."), "sink": _named("The sink that it came of.")},
                {"earlier": _list({"type": "string"}, "The sinks of the causes before that, the nearest first.")},
            ),
            "depth": {"type": "integer", "minimum": 1, "maximum": CAUSES_MAX},
            "reconciled": {"const": True, "description": "The vendor's own list had it, and no callback brought it."},
        },
    )


def _data() -> JsonSchema:
    texts = ("vendor_type", "domain", "app", "stream", "format", "project_id", "job_id", "task_id")
    return _object(
        {
            "provider": {"type": "string", "description": "The type of the source."},
            **{name: _text_schema() for name in texts},
            "files": _list({"$ref": "#/$defs/file"}),
            "error": _or_null(_object({"code": _text_schema(), "message": _text_schema()})),
            "problems": _list({"type": "string"}, "Paths of vendor fields that could not be read."),
            "extra": {"type": "object", "description": "Vendor fields without a place, as they came."},
            "received_at": _time("When the gateway had the callback."),
            "verified": _or_null(_object({"scheme": {"type": "string"}, "key": _whole()})),
        },
        _ALARM,
    )


def _file_schema() -> JsonSchema:
    return _object(
        {
            **{name: _text_schema() for name in ("format", "download_url", "play_url", "asset_id")},
            "size_bytes": _whole(),
            "duration_seconds": {"type": ["number", "null"], "minimum": 0},
            "width": _whole(),
            "height": _whole(),
            "started_at": _or_null(_time()),
            "ended_at": _or_null(_time()),
            "storage": _or_null(_object({name: _text_schema() for name in ("location", "bucket", "key")})),
        },
        {
            "expires_at": _time("When its links end."),
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            "confirmed": {"$ref": "#/$defs/measured"},
            "measured": {"$ref": "#/$defs/measured"},
            "archived": _object({"url": _named("Where the copy lies."), "at": _or_null(_time())}),
        },
    )


def _measured() -> JsonSchema:
    seen = {"size_bytes": _whole(), "etag": _text_schema(), "media_type": _text_schema()}
    return _object({"at": _time("When somebody looked."), "by": _named("The sink that did."), **seen})


def _object(always: Mapping[str, JsonSchema], sometimes: Mapping[str, JsonSchema] | None = None) -> JsonSchema:
    """`always` are those that are never left out, though they may be null where they say so."""
    return {"type": "object", "properties": {**always, **(sometimes or {})}, "required": list(always)}


def _list(items: JsonSchema, description: str = "") -> JsonSchema:
    return _described({"type": "array", "items": items}, description)


def _or_null(one: JsonSchema) -> JsonSchema:
    return {**one, "type": [one["type"], "null"]}


def _text_schema() -> JsonSchema:
    return {"type": ["string", "null"]}


def _named(description: str, examples: Sequence[str] = ()) -> JsonSchema:
    named = {"type": "string", "minLength": 1, "description": description}
    return named | {"examples": list(examples)} if examples else named


def _whole() -> JsonSchema:
    return {"type": ["integer", "null"], "minimum": 0, "maximum": _WHOLE_MAX}


def _time(description: str = "") -> JsonSchema:
    pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?Z$"
    return _described({"type": "string", "format": "date-time", "pattern": pattern}, description)


def _described(one: JsonSchema, description: str) -> JsonSchema:
    return one | {"description": description} if description else one


_ALARM: Final[Mapping[str, JsonSchema]] = {
    "about": {"type": "string", "description": "Sinks or sources, with `, ` between them, or a part of the gateway."},
    "since": _or_null(_time()),
    "count": {"type": "integer", "minimum": 0},
    "text": {"type": "string", "description": "One sentence for people."},
    "detail": {"type": "string", "description": "The cause, as the log has it."},
    "link": _text_schema(),
}
