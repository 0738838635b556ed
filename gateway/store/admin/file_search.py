"""Finds events by their files: by a part of a name or an address, without what stands in it for a signature."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.store.engine.encrypted_rows import EventKey, body_if_readable
from gateway.store.engine.session import Session

# Rows whose text cannot hold it are let go by the database; an encrypted one it cannot read.
CANDIDATE: Final = (
    """, CASE WHEN substr(body, 1, 1) <> '{{' OR {position}(body, CAST(:file_part AS TEXT)) > 0 THEN 1 ELSE 0 END"""
)
_POSITIONS: Final = {"sqlite": "instr", "postgresql": "strpos"}
_BODY: Final = "SELECT source, id, variant, body FROM events WHERE seq = :seq"
_PLAIN: Final = re.compile("[A-Za-z0-9]+")  # what neither our JSON nor a URL (RFC 3986, 2.3) writes in another way
_EVERYWHERE: Final = '"data"'  # a part that every event's text has


def candidate_column(session: Session) -> str:
    """The column that says whether a row may have such a file; it asks for `:file_part`."""
    return CANDIDATE.format(position=_POSITIONS[session.backend])


def part_of(file: str) -> str:
    """`:file_part`: what certainly stands in the text of an event with such a file."""
    return max(_PLAIN.findall(file), key=len, default=_EVERYWHERE)


def has_file(session: Session, seq: int, file: str) -> bool:
    """Whether a file of this event has the text in its name, its addresses or its key. Raises StoreKeyMissing."""
    for source, id_, variant, stored in session.rows(_BODY, {"seq": seq}):
        body = body_if_readable(session, EventKey(source, id_, bytes(variant)), stored)
        return body is not None and any(file in name for name in _file_names(json.loads(body)))
    return False


def _file_names(document: Mapping[str, object]) -> Iterator[str]:
    data = document.get("data")
    files = data.get("files") if isinstance(data, Mapping) else None
    for file in files if isinstance(files, list) else ():
        archived, storage = file.get("archived") or {}, file.get("storage") or {}
        for address in (file.get("download_url"), file.get("play_url"), archived.get("url")):
            yield from _address(address)
        for text in (file.get("asset_id"), storage.get("key")):
            if isinstance(text, str):
                yield text


def _address(value: object) -> Iterator[str]:
    """Host and path, as written and as read; not the query and a login, because whoever searches may not see those."""
    if not isinstance(value, str):
        return
    try:
        parts = urlsplit(value)
    except ValueError:  # a bracket where a host should be
        return
    written = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    yield written
    yield unquote(written)
