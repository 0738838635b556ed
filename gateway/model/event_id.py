"""The stable ids of events: the same for a repeat, another for anything else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from gateway.compact_json import encode_json_sorted, encode_struct

_type: Final = type  # because an argument has its name
_SPELT_ALIKE: Final = frozenset({str, int, bool, type(None)})
ID_CHARS_MAX: Final = 128  # characters


class EventId(str):
    """An id that `event_id` made. It names its source by itself; any other id came from outside."""

    __slots__ = ()


def event_id(
    source: str,
    type: str,
    domain: str | None,
    app: str | None,
    stream: str | None,
    format: str | None,
    identity: Sequence[object],
) -> EventId:
    """The stable id: lower hex of the first 16 bytes of SHA-256 over canonical JSON of its arguments.

    `identity` is the source's choice of what names the thing; the same event must give the same values for ever.
    """
    named = [source, type, domain, app, stream, format, *identity]
    # both write the same; the second knows how Python spells a fraction and puts keys in order
    text = encode_struct(named) if _SPELT_ALIKE.issuperset(map(_type, named)) else encode_json_sorted(named).encode()
    return EventId(hashlib.sha256(text).hexdigest()[:32])


def id_of_source(id: str, source: str) -> str:
    """An id that came from outside as it goes out: another source, or another gateway, may use the same.

    One that this source named already stays, so that a gateway which forwards to itself finds it there and stops.
    """
    named = id if id.endswith(f"~{source}") else f"{id}~{source}"
    if len(named) <= ID_CHARS_MAX:
        return named
    return f"{hashlib.sha256(id.encode()).hexdigest()[:32]}~{source}"
