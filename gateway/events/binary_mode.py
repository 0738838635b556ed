"""CloudEvents' binary mode: an event's attributes as texts beside its data. The bindings of all protocols have it in common:
https://github.com/cloudevents/spec, folder cloudevents/bindings."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.compact_json import encode_json
from gateway.events.cloudevents import to_document
from gateway.model import Event

CLOUDEVENTS_JSON: Final = "application/cloudevents+json"
"""The media type by which every protocol tells the structured mode."""
HEADER_PLAIN: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
"""What stays as it is in a header. HTTP binding 3.1.3.2, NATS too: space, quote, percent and what is not printable ASCII go encoded."""
ATTRIBUTE_BYTES_MAX: Final = 512
"""Bytes of an attribute, and of what else a message says beside its body."""
_LONG_BYTES_MAX: Final = 2048  # of one header; Node.js answers 431 to more than 16 KiB of all headers together
_LONG: Final = frozenset({"subject", "cause"})  # a cause names up to four sinks and is no JSON when it is cut


class BinaryEvent(NamedTuple):
    """The attributes by their names, without any prefix and uncut; `data` alone, and its media type."""

    attributes: dict[str, str]
    data: str
    media_type: str


def to_binary(event: Event) -> BinaryEvent:
    """The event for the binary mode: text as it is, a number in digits, an object (`cause`) as JSON."""
    document = to_document(event)
    data, media_type = document.pop("data"), document.pop("datacontenttype")
    texts = {name: value if isinstance(value, str) else encode_json(value) for name, value in document.items()}
    return BinaryEvent(texts, encode_json(data), media_type)


def attribute_bytes_max(name: str) -> int:
    """How long an attribute may be in a header: a few have to be longer than the others."""
    return _LONG_BYTES_MAX if name in _LONG else ATTRIBUTE_BYTES_MAX
