"""One request as it is to be sent, and the headers that say where its event came from."""

from __future__ import annotations

import functools
from typing import Final

import msgspec

from gateway import ATTRIBUTE_BYTES_MAX, Event, format_time
from plugins.sinks.forward.bodies import bounded

# What is not printable ASCII travels as %XX of its UTF-8; so does, in values that a receiver decodes, the percent sign.
ASCII: Final = "".join(map(chr, range(0x20, 0x7F)))
_PLAIN: Final = ASCII.replace("%", "")


class SentRequest(msgspec.Struct, frozen=True):
    """A request without what is made of the whole of it: signatures, and a token."""

    method: str
    url: str
    content: bytes
    headers: dict[str, str]


def provenance(event: Event) -> dict[str, str]:
    """Where the event came from and how far it may be believed, for a receiver that reads no JSON (body: raw)."""
    headers = {
        "recording-gateway-source": encoded(event.source),
        "recording-gateway-type": encoded(event.type),
        "recording-gateway-trust": event.trust._value_,
        "recording-gateway-received": format_time(event.received_at),
    }
    if event.supersedes:
        headers["recording-gateway-supersedes"] = encoded(event.supersedes)
    if event.verified is not None:
        headers["recording-gateway-scheme"] = encoded(event.verified.scheme)
    return headers


@functools.lru_cache(maxsize=1024)  # because sources, types and schemes are few, and encoding takes a while
def encoded(value: str) -> str:
    """For a header that a receiver decodes."""
    return bounded(value, ATTRIBUTE_BYTES_MAX, safe=_PLAIN)
