"""What the core holds plugin classes and their events to, said with the plugin's name before it can do harm."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.errors import PluginError
from gateway.events.event_annotations import amend
from gateway.events.repair import make_storable
from gateway.model import (
    EVENT_TYPES,
    ID_CHARS_MAX,
    Archived,
    Cause,
    Event,
    EventId,
    Fault,
    File,
    Measured,
    Storage,
    Trust,
    Verified,
)
from gateway.plugin import Callback, Response, Sink, Source
from gateway.text.credentials import without_credentials

# method -> (how it is called, whether a class must bring its own)
_METHODS: Final[dict[type[object], dict[str, tuple[str, bool]]]] = {
    Source: {
        "prepare": ("self", False),
        "verify": ("self, callback", True),
        "normalise": ("self, callback, verified", True),
        "vendor_type": ("self, callback", False),
        "acknowledge": ("self, callback, events", False),
        "advice": ("self", False),
        "play": ("self, scene", False),
        "expected_configuration": ("self, url", False),
        "list_recordings": ("self, http, span, next", False),
        "read_configuration": ("self, http", False),
        "write_configuration": ("self, http, wanted", False),
    },
    Sink: {
        "open": ("self", False),
        "close": ("self", False),
        "deliver": ("self, delivery", True),
        "deliver_batch": ("self, deliveries", False),
        "preview": ("self, delivery", False),
        "erased": ("self, events", False),
    },
}
_CALLING: Final = frozenset(
    {"list_recordings", "read_configuration", "write_configuration"}
)  # of a source: all that may wait
_TEXTS: Final = ("vendor_type", "domain", "app", "stream", "format", "project_id", "job_id", "task_id")
_TEXT: Final = frozenset({str, type(None)})
_FLAG: Final = frozenset({bool})
_ID: Final = frozenset({EventId, str})
_WHOLE: Final = frozenset({int, type(None)})
_NUMBER: Final = frozenset({int, float, type(None)})
_Wanted = Sequence[tuple[str, type | tuple[type, ...], str]]  # a field, its type or types, what they are called
_FAULT: Final[_Wanted] = (("code", str, "text"), ("message", str, "text"))
_FILE: Final[_Wanted] = (
    *((name, str, "text") for name in ("format", "download_url", "play_url", "asset_id")),
    *((name, int, "a whole number") for name in ("size_bytes", "width", "height")),
    ("duration_seconds", (int, float), "a number of seconds"),
    ("started_at", datetime, "a datetime"),
    ("ended_at", datetime, "a datetime"),
    ("storage", Storage, "a gateway.Storage"),
    ("expires_at", datetime, "a datetime"),
    ("sha256", str, "text"),
    ("confirmed", Measured, "a gateway.Measured"),
    ("measured", Measured, "a gateway.Measured"),
    ("archived", Archived, "a gateway.Archived"),
)
_MEASURED: Final[_Wanted] = (
    ("at", datetime, "a datetime"),
    *((name, str, "text") for name in ("by", "etag", "media_type")),
    ("size_bytes", int, "a whole number"),
)
_ARCHIVED: Final[_Wanted] = (("url", str, "text"), ("at", datetime, "a datetime"))
_CAUSE: Final[_Wanted] = (("id", str, "text"), ("sink", str, "text"), ("earlier", tuple, "a tuple"))
_NESTED: Final[dict[type[object], _Wanted]] = {Measured: _MEASURED, Archived: _ARCHIVED}
NO_CONTENT: Final = frozenset({204, 205, 304})  # statuses of answers that have no content (RFC 9110)
_PARTS: Final = (("files", File, "gateway.File"), ("problems", str, "text"))


def class_problem(cls: type[object], base: type[object]) -> str | None:
    """What is wrong with the methods of a plugin's class; None: nothing. `base` is Source or Sink."""
    for name, (arguments, required) in _METHODS[base].items():
        method = inspect.getattr_static(cls, name)
        if method is inspect.getattr_static(base, name):
            if required:
                return f"it has no {name}; write `{_kind(base, name)} {name}({arguments})`"
        elif inspect.isfunction(method) and (said := _method_problem(method, base, name, arguments)):
            return said
    return None


def _method_problem(method: Callable[..., object], base: type[object], name: str, arguments: str) -> str | None:
    kind = _kind(base, name)
    expected = f"write `{kind} {name}({arguments})`"
    try:
        inspect.signature(method).bind(*arguments.split(", "))
    except TypeError as error:
        return f"its {name} cannot be called with ({arguments}): {error}; {expected}"
    work = inspect.unwrap(method)
    if kind == "async def" and not inspect.iscoroutinefunction(work):
        return f"its {name} is not asynchronous; {expected}"
    if kind == "def" and inspect.iscoroutinefunction(work):
        return f"its {name} is asynchronous, and sources are not; {expected}"
    if inspect.isgeneratorfunction(work) or inspect.isasyncgenfunction(work):
        return f"its {name} yields; return a value, for several a list"
    return None


def _kind(base: type[object], name: str) -> str:
    return "async def" if base is Sink or name in _CALLING else "def"


def checked(source: Source, callback: Callback, events: object) -> Sequence[Event]:
    """What `normalise` returned, if it is what it should be: a list of ours, because a plugin may use its own again while the
    events wait for those that came with them. Raises PluginError.

    An event without `raw` gets the callback's body, because what the vendor sent is always kept. Of `extra`, what names
    a credential is left out, and its path goes into `problems`.
    """
    if not isinstance(events, (list, tuple)):
        raise _nonsense(source, f"normalise returned a {type(events).__name__}, not a list of events")
    for event in events:
        if not isinstance(event, Event):
            raise _nonsense(source, f"normalise returned a {type(event).__name__} among its events")
        if not _is_plain(event, source.name) and (said := _event_problem(event, source.name)):
            raise _nonsense(source, f"normalise returned an event whose {said}")
        make_storable(event)
        if event.extra:
            _leave_credentials_out(event)
        if not event.raw:
            amend(event, raw=callback.body)
    return tuple(events)


def _leave_credentials_out(event: Event) -> None:
    kept, left_out = without_credentials(event.extra)
    if left_out:
        problems = event.problems + tuple(path for path in left_out if path not in event.problems)
        amend(event, extra=kept, problems=problems)
    elif kept is not event.extra:  # a plugin may fill the same mapping again for the next callback
        amend(event, extra=kept)


def _is_plain(event: Event, source: str) -> bool:
    """Whether there is clearly nothing wrong. A quarter of what looking at each thing costs, and this is a hot way."""
    texts = {
        type(event.vendor_type), type(event.domain), type(event.app), type(event.stream), type(event.format),
        type(event.project_id), type(event.job_id), type(event.task_id),
    }  # fmt: skip
    at, error = event.time, event.error
    return (
        type(event) is Event
        and texts <= _TEXT
        and event.source == source
        and event.type in EVENT_TYPES
        and type(event.id) in _ID
        and 0 < len(event.id) <= ID_CHARS_MAX
        and event.id.isascii()
        and type(event.provider) is str
        and event.provider != ""
        and type(event.received_at) is datetime
        and event.received_at.tzinfo is not None
        and (at is None or (type(at) is datetime and at.tzinfo is not None))
        and (error is None or (type(error) is Fault and {type(error.code), type(error.message)} <= _TEXT))
        and type(event.files) is tuple
        and all(map(_is_plain_file, event.files))
        and event.problems == ()
        and event.alarm is None
        and event.cause is None
        and event.depth == 0
        and type(event.reconciled) in _FLAG
        and type(event.raw) is bytes
    )


def _is_plain_file(file: File) -> bool:
    began, ended = file.started_at, file.ended_at
    return (
        type(file) is File
        and {type(file.format), type(file.download_url), type(file.play_url), type(file.asset_id)} <= _TEXT
        and {type(file.size_bytes), type(file.width), type(file.height)} <= _WHOLE
        and type(file.duration_seconds) in _NUMBER
        and (file.storage is None or type(file.storage) is Storage)
        and (began is None or (type(began) is datetime and began.tzinfo is not None))
        and (ended is None or (type(ended) is datetime and ended.tzinfo is not None))
        and file.is_as_it_came
    )


def _event_problem(event: Any, source: str) -> str | None:
    if event.source != source:
        return f"source is {event.source!r}, not {source!r}; write `source=self.name`"
    if event.alarm is not None:
        return "alarm is not empty: alarms are the gateway's own"
    if event.type not in EVENT_TYPES:
        return f"type is {event.type!r}; there are {', '.join(EVENT_TYPES)}"
    if not isinstance(event.id, str) or not 0 < len(event.id) <= ID_CHARS_MAX or not event.id.isascii():
        return f"id is no ASCII text of 1 to {ID_CHARS_MAX} characters; make it with gateway.event_id"
    if not isinstance(event.provider, str) or not event.provider:
        return "provider is no text"
    for name in _TEXTS:
        value = getattr(event, name)
        if value is not None and not isinstance(value, str):
            return f"{name} is a {type(value).__name__}, not text"
    for name in ("received_at", "time"):
        at = getattr(event, name)
        if (at is not None or name == "received_at") and not (isinstance(at, datetime) and at.tzinfo is not None):
            return f"{name} is not an aware datetime"
    for name, kind, called in _PARTS:
        value = getattr(event, name)
        if not isinstance(value, tuple) or not all(isinstance(part, kind) for part in value):
            return f"{name} is not a tuple of {called}"
    if event.error is not None:
        if not isinstance(event.error, Fault):
            return "error is no gateway.Fault"
        if said := _wrong_part(event.error, _FAULT):
            return f"error.{said}"
    if event.cause is not None:
        if not isinstance(event.cause, Cause):
            return "cause is no gateway.Cause"
        if said := _wrong_part(event.cause, _CAUSE):
            return f"cause.{said}"
    if type(event.depth) is not int or event.depth < 0:
        return "depth is no whole number from 0"
    if type(event.reconciled) is not bool:
        return "reconciled is neither true nor false"
    for number, file in enumerate(event.files):
        if said := file_problem(file):
            return f"files[{number}].{said}"
    return "raw is not bytes" if not isinstance(event.raw, bytes) else None


def file_problem(file: File) -> str | None:
    """Which field of a file holds something of another type; None: none does."""
    if problem := _wrong_part(file, _FILE):
        return problem
    for name in ("confirmed", "measured", "archived"):
        part = getattr(file, name)
        if part is not None and (problem := _wrong_part(part, _NESTED[type(part)])):
            return f"{name}.{problem}"
    return None


def _wrong_part(part: object, expected: _Wanted) -> str | None:
    for name, kind, called in expected:
        value = getattr(part, name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            return f"{name} is a {type(value).__name__}, not {called}"
        if kind is datetime and isinstance(value, datetime) and value.tzinfo is None:
            return f"{name} is not an aware datetime"
    return None


def checked_verdict(source: Source, verified: object) -> Verified:
    """What `verify` returned, if it is a Verified. Raises PluginError: whoever forgets to return has verified nothing."""
    if not isinstance(verified, Verified):
        raise _nonsense(source, f"verify returned a {type(verified).__name__}, not a gateway.Verified")
    trust, scheme, key = verified.trust, verified.scheme, verified.key
    if type(trust) is not Trust:
        raise _nonsense(source, f"verify returned a Verified whose trust is {trust!r:.60}, not a gateway.Trust")
    if type(scheme) is not str or not scheme.isprintable():
        raise _nonsense(source, f"verify returned a Verified whose scheme is {scheme!r:.60}, not a printable text")
    if key is not None and type(key) is not int:
        raise _nonsense(source, f"verify returned a Verified whose key is {key!r:.60}, not a key's place from 0")
    return verified


def checked_response(source: Source, response: object) -> Response | None:
    """What `acknowledge` returned, if it can be sent. Raises PluginError."""
    if response is None:
        return None
    if not isinstance(response, Response):
        raise _nonsense(source, f"acknowledge returned a {type(response).__name__}, not a gateway.Response or None")
    status, body, media_type = _parts(response)
    if not (type(status) is int and 200 <= status < 600 and isinstance(body, bytes)):
        raise _nonsense(
            source, "acknowledge returned a Response that needs a status from 200 to 599 and a body of bytes"
        )
    if body and status in NO_CONTENT:
        raise _nonsense(source, f"acknowledge returned a body beside the status {status}, which has none")
    return response if isinstance(media_type, str) else Response(status, body)


def _parts(response: Any) -> tuple[object, object, object]:
    return response.status, response.body, response.media_type


def _nonsense(source: Source, said: str) -> PluginError:
    whose = f" from {source.origin}" if source.origin else ""
    return PluginError(f"source type {source.type}{whose}: {said}")
