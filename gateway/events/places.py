"""Where the files of an event lie: what tells, whatever its id is, that two events speak of one file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.compact_json import encode_json
from gateway.model import FILE_COMPLETED, REDACTED, Event, File

_PLACE_BYTES: Final = 16


def places_of(event: Event) -> tuple[bytes, ...]:
    """A hash for each name of each of its finished files: its bucket and key, and the path of its address.

    Without the host, the query and the format: a link is signed anew each time it is told, and a host has several names.
    """
    if event.type != FILE_COMPLETED:
        return ()
    where = [event.domain, event.app, event.stream]
    names = [name for file in event.files for name in _names(file)]
    hashes = (hashlib.sha256(encode_json([*where, *name]).encode("utf-8", "surrogatepass")) for name in names)
    return tuple(dict.fromkeys(one.digest()[:_PLACE_BYTES] for one in hashes))


def _names(file: File) -> Iterator[list[str]]:
    key, path = _key(file), path_of(file)
    if key and file.storage is not None and file.storage.bucket not in (None, "", REDACTED):
        yield ["object", file.storage.bucket, key]
    if path:
        yield ["path", "/" + key if key and _ends(path, key) else path]


def path_of(file: File) -> str:
    """The path of its address without percent signs; empty where it has none."""
    try:
        path = unquote(urlsplit(file.address or "").path)
    except ValueError:
        return ""
    return path if path.strip("/") else ""


def agree(one: Event, other: Event) -> bool:
    """Whether what both say of where their files lie can be so: no address of one leads elsewhere than the other says."""
    return any(_same(file, again) for file in one.files for again in other.files)


def _same(one: File, other: File) -> bool:
    keys = {key for key in (_key(one), _key(other)) if key}
    path, another = path_of(one), path_of(other)
    if len(keys) > 1:
        return False
    if not path or not another or _ends(path, another) or _ends(another, path):
        return True
    return any(_ends(path, key) and _ends(another, key) for key in keys)


def _key(file: File) -> str:
    key = "" if file.storage is None else file.storage.key or ""
    return "" if key == REDACTED else key.lstrip("/")


def _ends(path: str, end: str) -> bool:
    """Whether a path ends with another: an object store puts the bucket before it, or into the host."""
    end = "/" + end.lstrip("/")
    return path == end or path.endswith(end)
