"""The normal form by configuration: CEL expressions say where in a vendor's JSON each field of an event stands."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from pydantic import Field

from gateway import (
    EVENT_TYPES,
    RECORDING_FAILED,
    RECORDING_UNKNOWN,
    Callback,
    Event,
    Fault,
    File,
    Options,
    Source,
    Verified,
)
from plugins.sources.common.built_event import build_event, contents, stored
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
from plugins.sources.common.fields import Reading
from plugins.sources.common.map_fields import READS, TEXTS, Taker, plain_value

IGNORE: Final = "ignore"


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
        fields = ("type", "time", "files", "error_code", "error_message", *TEXTS)
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
        return Taker({"type": expression.value(body)}, []).text("type")

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
        take = Taker(values, problems)
        vendor_type = take.text("type")
        type = self._map.types.get(vendor_type or "", vendor_type if vendor_type in EVENT_TYPES else RECORDING_UNKNOWN)
        if type == IGNORE:
            return None
        identity = [plain_value(one.value(body)) for one in self.identity]
        if not identity or any(value in (None, "") for value in identity):
            # because an event that comes twice is better than one that is taken for another
            identity = [*identity, id or contents(document, (*self._map.drop, *without))]
        code, message = take.text("error_code"), take.text("error_message")
        reading = Reading(document, problems=problems)
        reading.drop(*self._map.drop, *without)
        return build_event(
            source,
            callback,
            verified,
            reading,
            type=type or RECORDING_UNKNOWN,
            vendor_type=vendor_type,
            identity=identity,
            time=take.time("time"),
            error=Fault(code=code, message=message) if code or message or type == RECORDING_FAILED else None,
            files=self._files(document, values.get("files"), problems),
            **{name: take.text(name) for name in TEXTS},
        )

    def _files(self, document: Mapping[str, object], given: object, problems: list[str]) -> tuple[File, ...]:
        if not self.of_file:
            return ()
        listed = "files" in self.expressions
        entries = (given if isinstance(given, list) else [given]) if listed else [document]
        if listed and given is None:
            return ()
        if given is UNREADABLE or not all(isinstance(entry, Mapping) for entry in entries):
            problems.append("files")
            return ()
        found = [self._mapped_file(entry, f"files[{n}].", problems) for n, entry in enumerate(entries)]
        return tuple(file for file in found if listed or file != File())

    def _mapped_file(self, entry: Mapping[str, object], path: str, problems: list[str]) -> File:
        file = context(file=entry)
        take = Taker({name: one.value(file) for name, one in self.of_file.items()}, problems, path)
        said: dict[str, Any] = {name: READS[name](take, name) for name in FileMap.model_fields}
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


def _compiled(map: Options, fields: Sequence[str], *names: str) -> dict[str, Expression]:
    written = ((field, getattr(map, field)) for field in fields)
    return {field: Expression(text, *names) for field, text in written if text is not None}


def _once(callback: Callback) -> dict[str, str]:
    """The headers by their names in lower case; one that is there twice is absent, because nobody can say which counts."""
    found: dict[str, str | None] = {}
    for name, value in callback.headers.items():
        found[name] = None if name in found else value
    return {name: value for name, value in found.items() if value is not None}
