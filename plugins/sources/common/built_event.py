"""What the events of all vendors share: how one is put together, named for ever, and what a file's name says."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from gateway import Callback, Event, Source, Storage, Verified, encode_json_sorted, event_id
from plugins.sources.common.fields import Reading

_FORMATS: Final = {"m3u8": "hls", "ts": "hls", "mpd": "dash"}
_EXTENSION: Final = re.compile(r"[a-z0-9]{2,5}")


def build_event(
    source: Source,
    callback: Callback,
    verified: Verified,
    reading: Reading,
    *,
    type: str,
    vendor_type: str | None,
    identity: Sequence[object],
    **fields: Any,
) -> Event:
    """The event of a reading whose fields have all been taken; what is left of it becomes `extra`.

    `identity` is what names the thing and stays the same when the vendor tries again; the vendor's type is part of it.
    """
    names = (fields.get("domain"), fields.get("app"), fields.get("stream"), fields.get("format"))
    return Event(
        id=event_id(source.name, type, *names, [vendor_type, *identity]),
        type=type,
        source=source.name,
        provider=source.type,
        received_at=callback.received_at,
        trust=verified.trust,
        vendor_type=vendor_type,
        verified=verified,
        extra=reading.extra(),
        problems=tuple(reading.problems),
        raw=callback.body,
        **fields,
    )


def contents(said: Mapping[str, object], without: Collection[str] = ()) -> str:
    """A name for a callback that has none: a digest of all it says, but for what changes from one try to the next."""
    kept = {name: value for name, value in said.items() if name not in without}
    return hashlib.sha256(encode_json_sorted(kept).encode()).hexdigest()[:32]


def named_by(said: Mapping[str, object], *names: str, without: Collection[str] = ()) -> list[object]:
    """The values of these fields, as they came; where all of them are absent, the digest of everything."""
    values = [said.get(name) for name in names]
    return values if any(value not in (None, "") for value in values) else [contents(said, without)]


def format_of(name: str | None) -> str | None:
    """A file's format by the extension of its name, path or URL: `hls` for m3u8, else the extension itself."""
    if not name:
        return None
    try:
        path = urlsplit(name).path
    except ValueError:  # a bracket where a host should be
        return None
    extension = posixpath.splitext(path)[1].lstrip(".").lower()
    return _FORMATS.get(extension, extension) if _EXTENSION.fullmatch(extension) else None


def stored(*, location: str | None = None, bucket: str | None = None, key: str | None = None) -> Storage | None:
    """Where a file is kept; None where nothing of it is known."""
    return Storage(location=location, bucket=bucket, key=key) if location or bucket or key else None


def is_web(text: str | None) -> bool:
    """Whether this is an address that a browser opens."""
    return text is not None and text.startswith(("https://", "http://"))
