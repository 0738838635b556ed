"""Where a file is kept: a template of the event's words, of which each becomes one safe segment of a key."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from gateway import Event, File, suggestion
from plugins.sinks.archive.media_types import UNKNOWN_ENDING, safe_ending

DEFAULT_KEY: Final = "{domain}/{app}/{stream}/{ended_at:%Y/%m/%d}/{job_id}.{format}"
VALUE_BYTES_MAX: Final = 200  # of one value
SEGMENT_BYTES_MAX: Final = 200  # of one segment: with what a storage adds it stays a file's name
KEY_BYTES_MAX: Final = (
    800  # of a whole key: with a prefix and a segment's name it stays below the 1,024 of object stores
)
TEMPLATE_CHARS_MAX: Final = 500
FIELDS_MAX: Final = 24
PLAYLISTS: Final = ("hls", "m3u8")
_EXTENSION_CHARS_MAX: Final = 12
_SHORTER: Final = (VALUE_BYTES_MAX, 100, 50, 30)  # bytes of a value, until the key is short enough
_HASH_CHARS: Final = 12

_FIELD: Final = re.compile(r"\{([^{}]*)\}")
_DIRECTIVES: Final = re.compile(r"(?:%[YmdHMSjGVy%]|[A-Za-z0-9 _.,=@+-]|/)*", re.A)
_TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
_LITERAL: Final = re.compile(r"[A-Za-z0-9 !_.,=@+~$&'()/-]*", re.A)


class _Part(NamedTuple):
    """One part of a template: what it holds as it is, or a field and, of a time, its format."""

    literal: str = ""
    field: str = ""
    format: str = ""


class KeyTemplate:
    """A template, read once. Raises ValueError with what is wrong."""

    def __init__(self, text: str) -> None:
        if len(text) > TEMPLATE_CHARS_MAX:
            raise ValueError(f"at most {TEMPLATE_CHARS_MAX} characters")
        self._segments = [_parts(segment) for segment in _split(text)]
        if sum(bool(part.field) for parts in self._segments for part in parts) > FIELDS_MAX:
            raise ValueError(f"at most {FIELDS_MAX} fields")

    def key(self, event: Event, file: File) -> str:
        """The key of one file of an event, without what makes it differ from another's."""
        for value_bytes in _SHORTER:
            segments = [_segment(parts, event, file, value_bytes) for parts in self._segments]
            key = "/".join(segments)
            if len(key.encode()) <= KEY_BYTES_MAX:
                break
        else:
            key = f"{hashlib.sha256(key.encode()).hexdigest()}/{segments[-1]}"
        return key


class Name(NamedTuple):
    """A key, and the number that tells one file of it from others: 1 is the key itself."""

    plain: str
    number: int

    @property
    def key(self) -> str:
        return numbered(self.plain, self.number)


def names_of(template: KeyTemplate, event: Event, files: Sequence[File]) -> Sequence[Name]:
    """One name for each file; the second file of one key has `-2`, and so on, in the order of the event."""
    plain = [template.key(event, file) for file in files]
    taken: set[str] = set()
    names: list[Name] = []
    for key in plain:
        name = next(name for name in map(partial(Name, key), itertools.count(1)) if name.key not in taken)
        taken.add(name.key)
        names.append(name)
    return names


def numbered(key: str, number: int) -> str:
    """The same key for another file: `a/b.mp4` is `a/b-2.mp4`."""
    if number < 2:
        return key
    folder, slash, name = key.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension) > _EXTENSION_CHARS_MAX:
        stem, dot, extension = name, "", ""
    return f"{folder}{slash}{stem}-{number}{dot}{extension}"


def format_of(event: Event, file: File) -> str:
    """What kind of file it is, in small letters: as the callback says, else as its address ends. A playlist is `hls`."""
    extension = _name_of_url(file.download_url or file.play_url or "").rpartition(".")[2].lower()
    form = (file.format or event.format or "").strip().lower() or (
        extension if re.fullmatch(r"[a-z0-9]{1,5}", extension, re.A) else UNKNOWN_ENDING
    )
    return PLAYLISTS[0] if form in PLAYLISTS else form


def is_playlist(event: Event, file: File) -> bool:
    """Whether the file is a list of what the recording is made of."""
    return format_of(event, file) in PLAYLISTS or _name_of_url(file.download_url or "").lower().endswith(".m3u8")


def safe_value(value: str, bytes_max: int = VALUE_BYTES_MAX) -> str:
    """A value without what divides, hides, controls or climbs; two values give one text only where both were cut.

    What is long is cut, and a part of its hash stands for what is missing.
    """
    safe = "".join([letter if _is_harmless(letter) else _encoded(letter) for letter in value])
    return _cut(safe, bytes_max)


def _split(text: str) -> Sequence[str]:
    """The template's segments; a `/` in the format of a time divides as well."""
    whole = _FIELD.sub(lambda field: _divided(field[1]), text)
    if not whole or "{" in _FIELD.sub("", whole) or "}" in _FIELD.sub("", whole):
        raise ValueError("a template such as {stream}/{job_id}.{format}, with each brace closed")
    segments = whole.split("/")
    if "" in segments:
        raise ValueError("no empty segment: neither `//` nor a `/` at its begin or end")
    return segments


def _divided(field: str) -> str:
    name, colon, form = field.partition(":")
    if not colon:
        return f"{{{field}}}"
    if name not in _TIMES:
        raise ValueError(f"`{name}` is no time, so it has no format; times are {', '.join(_TIMES)}")
    if not form or not _DIRECTIVES.fullmatch(form):
        raise ValueError("a time's format is made of %Y %m %d %H %M %S %j %G %V %y and letters, such as %Y/%m/%d")
    return "/".join(f"{{{name}:{part}}}" if part else "" for part in form.split("/"))


def _parts(segment: str) -> Sequence[_Part]:
    parts: list[_Part] = []
    end = 0
    for field in _FIELD.finditer(segment):
        parts.append(_literal(segment[end : field.start()]))
        name, _, form = field[1].partition(":")
        if name not in _TEXTS and name not in _TIMES:
            known = (*_TEXTS, *_TIMES)
            raise ValueError(f"there is no field `{name}`{suggestion(name, known)}; there are {', '.join(known)}")
        parts.append(_Part(field=name, format=form))
        end = field.end()
    parts.append(_literal(segment[end:]))
    if parts[0].literal.startswith(".") or (len(parts) == 1 and not parts[0].literal.strip(". ")):
        raise ValueError("no segment begins with a dot")
    return [part for part in parts if part.literal or part.field]


def _literal(text: str) -> _Part:
    if not _LITERAL.fullmatch(text):
        raise ValueError("outside of braces only letters and digits of ASCII, spaces and !_.,=@+~$&'()-")
    return _Part(literal=text)


def _segment(parts: Sequence[_Part], event: Event, file: File, value_bytes: int) -> str:
    text = "".join([part.literal or _value(part, event, file, value_bytes) for part in parts])
    if text.startswith("."):
        text = "%2E" + text[1:]  # neither `.` nor `..` nor a hidden name
    if text.endswith((" ", ".")):
        text = text[:-1] + _encoded(text[-1])  # which some file systems leave out
    if len(text.encode()) <= SEGMENT_BYTES_MAX:
        return text
    stem, dot, extension = text.rpartition(".")
    if not stem or len(extension.encode()) > _EXTENSION_CHARS_MAX:
        stem, dot, extension = text, "", ""
    return _cut(stem, SEGMENT_BYTES_MAX - len(dot + extension), text) + dot + extension


def _value(part: _Part, event: Event, file: File, value_bytes: int) -> str:
    if part.field in _TIMES:
        at = _TIMES[part.field](event, file) or event.received_at
        return at.astimezone(UTC).strftime(part.format or _TIME_FORMAT)
    return safe_value(_TEXTS[part.field](event, file) or event.ref, value_bytes)


def _is_harmless(letter: str) -> bool:
    return letter.isprintable() and letter not in '/\\%:*?"<>|'


def _encoded(letter: str) -> str:
    return "".join(f"%{octet:02X}" for octet in letter.encode("utf-8", "surrogatepass"))


def _cut(text: str, bytes_max: int, whole: str | None = None) -> str:
    """At most so many bytes, between letters and not inside an encoded one, with a hash for what is missing."""
    if len(text.encode()) <= bytes_max and whole is None:
        return text
    rest = f"~{hashlib.sha256((whole or text).encode()).hexdigest()[:_HASH_CHARS]}"
    kept = text.encode()[: bytes_max - len(rest)].decode("utf-8", "ignore")
    return re.sub(r"%[0-9A-F]?$", "", kept) + rest


def _name(file: File) -> str | None:
    name = _name_of_url(file.download_url or file.play_url or "")
    stem, _, extension = name.rpartition(".")
    return (stem if stem and len(extension) <= _EXTENSION_CHARS_MAX else name) or None


def _name_of_url(url: str) -> str:
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2], errors="replace")
    except ValueError:
        return ""


_TEXTS: Final[dict[str, Callable[[Event, File], str | None]]] = {
    "source": lambda event, _: event.source,
    "provider": lambda event, _: event.provider,
    "type": lambda event, _: event.type,
    "id": lambda event, _: event.ref,
    "domain": lambda event, _: event.domain,
    "app": lambda event, _: event.app,
    "stream": lambda event, _: event.stream,
    "project_id": lambda event, _: event.project_id,
    "job_id": lambda event, _: event.job_id,
    "task_id": lambda event, _: event.task_id,
    "asset_id": lambda _, file: file.asset_id,
    "name": lambda _, file: _name(file),
    "format": lambda event, file: safe_ending(format_of(event, file)),
}
_TIMES: Final[dict[str, Callable[[Event, File], datetime | None]]] = {
    "started_at": lambda _, file: file.started_at,
    "ended_at": lambda _, file: file.ended_at,
    "time": lambda event, _: event.time,
    "received_at": lambda event, _: event.received_at,
}
