"""The normal form by configuration: CEL expressions say where in a vendor's JSON each field of an event stands."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, TypeVar

from pydantic import Field

from gateway import (
    EVENT_TYPES,
    FAILED,
    TEXT_BYTES_MAX,
    UNKNOWN,
    Callback,
    Event,
    Fault,
    File,
    Options,
    Source,
    Verified,
)
from plugins.sources.common.event import contents, made, stored
from plugins.sources.common.expressions import (
    ANY_HEADER,
    BODY,
    FILE,
    HEADERS,
    UNREADABLE,
    Expression,
    OfBody,
    OfFile,
    context,
)
from plugins.sources.common.fields import PIXELS_MAX, Reading, moment_of

_T = TypeVar("_T")

IGNORE: Final = "ignore"
_TEXTS: Final = ("domain", "app", "stream", "format", "project_id", "job_id", "task_id")
_UNITS: Final = ((10**17, 10**9), (10**14, 10**6), (10**11, 1000), (0, 1))  # from this number on, so many in a second


class FileMap(Options):
    """Where the fields of a file stand in `file`."""

    format: OfFile | None = Field(default=None, description="The format, such as hls or mp4.")
    download_url: OfFile | None = Field(default=None, description="Where it can be downloaded.")
    play_url: OfFile | None = Field(default=None, description="Where it can be played.")
    asset_id: OfFile | None = Field(default=None, description="What the vendor calls it.")
    size_bytes: OfFile | None = Field(default=None, description="Its size in bytes.")
    duration_seconds: OfFile | None = Field(default=None, description="How long it lasts, in seconds.")
    width: OfFile | None = Field(default=None, description="Its width in pixels.")
    height: OfFile | None = Field(default=None, description="Its height in pixels.")
    started_at: OfFile | None = Field(default=None, description="When it begins: see `time`.")
    ended_at: OfFile | None = Field(default=None, description="When it ends: see `time`.")
    location: OfFile | None = Field(default=None, description="The address of the object store it lies in.")
    bucket: OfFile | None = Field(default=None, description="The bucket it lies in.")
    key: OfFile | None = Field(default=None, description="Its key or path there.")


class EventMap(Options):
    """Where the fields of an event stand in the vendor's JSON, each a CEL expression over `body` (and `headers`)."""

    type: OfBody | None = Field(
        default=None,
        description='The vendor\'s type, such as `body.event`, or `headers["x-event-type"]` where it stands in a header.',
    )
    types: Mapping[
        str,
        Literal[
            "recording.started",
            "recording.file.started",
            "recording.file.completed",
            "recording.ended",
            "recording.failed",
            "recording.unknown",
            "ignore",
        ],
    ] = Field(
        default_factory=dict,
        description="Our type of each of the vendor's; `ignore` makes no event of it. One that is not listed is "
        "`recording.unknown`, unless it is one of ours already.",
    )
    identity: tuple[OfBody, ...] = Field(
        default=(),
        description="What names the event and stays the same when the vendor tries again. Default, and where one of "
        "them is absent: the signed id where there is one, else all that the body says.",
    )
    time: OfBody | None = Field(
        default=None,
        description="When it happened: RFC 3339, or a number since 1970 in seconds, milliseconds, microseconds or "
        "nanoseconds, told apart by its size.",
    )
    domain: OfBody | None = Field(default=None, description="The ingest domain.")
    app: OfBody | None = Field(default=None, description="The application.")
    stream: OfBody | None = Field(default=None, description="The stream, room or channel.")
    format: OfBody | None = Field(default=None, description="The format of what is recorded.")
    project_id: OfBody | None = Field(default=None, description="The account or project.")
    job_id: OfBody | None = Field(default=None, description="What joins the events of one file.")
    task_id: OfBody | None = Field(default=None, description="What joins the events of one recording.")
    error_code: OfBody | None = Field(default=None, description="Why it failed, as a word or number.")
    error_message: OfBody | None = Field(default=None, description="Why it failed, in a sentence.")
    files: OfBody | None = Field(
        default=None,
        description="The list of files, or one. Default: `body` itself, where an expression of `file` finds something.",
    )
    file: FileMap = Field(
        default=FileMap(), description="Where the fields of each file stand, each an expression over `file`."
    )
    drop: tuple[str, ...] = Field(
        default=(),
        description="Fields at the top of the body that are not kept in `extra`: what is another one on each try, and "
        "what nobody should see.",
    )


class Translator:
    """Makes events of JSON by one EventMap. Fields that fail to be read are named in `problems`; none is a refusal."""

    def __init__(self, map: EventMap) -> None:
        self._map = map
        fields = ("type", "time", "files", "error_code", "error_message", *_TEXTS)
        self.expressions = _compiled(map, fields, BODY, HEADERS)
        self.of_file = _compiled(map.file, tuple(FileMap.model_fields), FILE)
        self.identity = tuple(Expression(text, BODY, HEADERS) for text in map.identity)
        self._of_body = (*self.expressions.values(), *self.identity)
        self.headers: frozenset[str] = frozenset().union(*(one.headers for one in self._of_body))

    def vendor_type(self, callback: Callback, usual: str | None = None) -> str | None:
        """The vendor's type of a callback, also of one that is to be ignored; `usual` where no expression is written."""
        if (expression := self.expressions.get("type")) is None:
            return usual
        body = context(body=callback.json(), headers=_once(callback) if self.headers else {})
        return _Taker({"type": expression.value(body)}, []).text("type")

    def event(
        self,
        source: Source,
        callback: Callback,
        verified: Verified,
        *,
        id: str | None = None,
        usual: Mapping[str, Any] | None = None,
        without: Sequence[str] = (),
    ) -> Event | None:
        """The event of a callback; None where its type is to be ignored.

        `id` is the signed id, if any; `usual` are the values of fields that no expression is written for; `without` are
        fields of the body that belong to its signature.
        """
        document = callback.json()
        problems: list[str] = []
        body = context(body=document, headers=_once(callback) if self.headers else {}) if self._of_body else None
        values = {**(usual or {}), **{name: one.value(body) for name, one in self.expressions.items()}}
        take = _Taker(values, problems)
        vendor_type = take.text("type")
        type = self._map.types.get(vendor_type or "", vendor_type if vendor_type in EVENT_TYPES else UNKNOWN)
        if type == IGNORE:
            return None
        identity = [_plain(one.value(body)) for one in self.identity]
        if not identity or any(value in (None, "") for value in identity):
            # because an event that comes twice is better than one that is taken for another
            identity = [*identity, id or contents(document, (*self._map.drop, *without))]
        code, message = take.text("error_code"), take.text("error_message")
        reading = Reading(document, problems=problems)
        reading.drop(*self._map.drop, *without)
        return made(
            source,
            callback,
            verified,
            reading,
            type=type or UNKNOWN,
            vendor_type=vendor_type,
            identity=identity,
            time=take.time("time"),
            error=Fault(code=code, message=message) if code or message or type == FAILED else None,
            files=self._files(document, values.get("files"), problems),
            **{name: take.text(name) for name in _TEXTS},
        )

    def _files(self, document: Mapping[str, Any], given: Any, problems: list[str]) -> tuple[File, ...]:
        if not self.of_file:
            return ()
        listed = "files" in self.expressions
        entries = (given if isinstance(given, list) else [given]) if listed else [document]
        if listed and given is None:
            return ()
        if given is UNREADABLE or not all(isinstance(entry, Mapping) for entry in entries):
            problems.append("files")
            return ()
        found = [self._file(entry, f"files[{n}].", problems) for n, entry in enumerate(entries)]
        return tuple(file for file in found if listed or file != File())

    def _file(self, entry: Mapping[str, Any], path: str, problems: list[str]) -> File:
        file = context(file=entry)
        take = _Taker({name: one.value(file) for name, one in self.of_file.items()}, problems, path)
        said: dict[str, Any] = {name: _READS[name](take, name) for name in FileMap.model_fields}
        kept = {name: said.pop(name) for name in ("location", "bucket", "key")}
        return File(**said, storage=stored(**kept))


def unsigned_headers_advice(names: Collection[str]) -> Iterator[str]:
    """The warning about a map that reads headers which no signature covers."""
    if names:
        shown = ", ".join("any" if name == ANY_HEADER else name for name in sorted(names))
        yield (
            f"`event` reads headers that no signature covers ({shown}): whoever sees one callback can send it again with "
            "another value there; the trust is `fields`, and one signature carries one content"
        )


class _Taker:
    """What the expressions said, as the types of the normal form; what is of another type is a problem."""

    def __init__(self, values: Mapping[str, Any], problems: list[str], path: str = "") -> None:
        self._values = values
        self._problems = problems
        self._path = path

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        if (type(value) is int or type(value) is float) and math.isfinite(value):
            value = str(value)
        if type(value) is str and len(value) <= TEXT_BYTES_MAX and "\0" not in value:
            return value or None
        self._miss(name, value)
        return None

    def whole(self, name: str) -> int | None:
        return self._read_value(name, Reading.whole)

    def pixels(self, name: str) -> int | None:
        return self._read_value(name, lambda reading, name: reading.whole(name, PIXELS_MAX))

    def seconds(self, name: str) -> float | None:
        value = self._values.get(name)
        if isinstance(value, timedelta):
            return value.total_seconds()
        return self._read_value(name, Reading.seconds)

    def time(self, name: str) -> datetime | None:
        value = self._values.get(name)
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(UTC)
        return _since_1970(value) or self._read_value(name, Reading.time)

    def _read_value(self, name: str, read: Callable[[Reading, str], _T]) -> _T | None:
        """What a reader of callbacks makes of the value."""
        value = self._values.get(name)
        reading = Reading({name: value})
        if value is not UNREADABLE:
            found = read(reading, name)
            if not reading.problems:
                return found
        self._miss(name, value)
        return None

    def _miss(self, name: str, value: Any) -> None:
        if value is not None:
            self._problems.append(self._path + name)


_READS: Final[Mapping[str, Callable[[_Taker, str], Any]]] = {
    **dict.fromkeys((name for name in File.__struct_fields__ if name != "storage"), _Taker.text),
    **dict.fromkeys(("location", "bucket", "key"), _Taker.text),
    **dict.fromkeys(("width", "height"), _Taker.pixels),
    **dict.fromkeys(("started_at", "ended_at"), _Taker.time),
    "size_bytes": _Taker.whole,
    "duration_seconds": _Taker.seconds,
}


def _compiled(map: Options, fields: Sequence[str], *names: str) -> dict[str, Expression]:
    written = ((field, getattr(map, field)) for field in fields)
    return {field: Expression(text, *names) for field, text in written if text is not None}


def _once(callback: Callback) -> dict[str, str]:
    """The headers by their names in lower case; one that is there twice is absent, because nobody can say which counts."""
    found: dict[str, str | None] = {}
    for name, value in callback.headers.items():
        found[name] = None if name in found else value
    return {name: value for name, value in found.items() if value is not None}


def _since_1970(value: Any) -> datetime | None:
    """A number since 1970, whose size says what it counts: no recording is older than 1973 nor younger than 5138."""
    number = value
    if type(value) is str and value.isascii() and value.replace(".", "", 1).isdigit() and len(value) < 30:
        number = float(value) if "." in value else int(value)
    if type(number) not in (int, float) or not math.isfinite(number):
        return None
    over = next((over for least, over in _UNITS if number >= least), 1)
    return moment_of(number, over)


def _plain(value: Any) -> Any:
    """A value that names an event, in a form that is the same for ever."""
    if value is UNREADABLE:
        return None
    if value is None or type(value) in (str, int, bool):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
