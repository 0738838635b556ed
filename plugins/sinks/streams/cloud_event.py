"""An event as a message: CloudEvents structured or binary, with what every message says beside it.

The names follow in each sink from the binding of its protocol: https://github.com/cloudevents/spec, folder
cloudevents/bindings. They agree in this: structured is told by the media type `application/cloudevents+json`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from gateway import (
    ATTRIBUTE_BYTES_MAX,
    CLOUDEVENTS_JSON,
    HEADER_PLAIN,
    Delivery,
    attribute_bytes_max,
    format_time,
    order_key,
    to_binary,
    to_json,
    visible,
)


@dataclass(frozen=True, slots=True)
class StreamMessage:
    """What goes to a broker. Texts are of one line, not encoded yet."""

    id: str  # what a broker knows a repeat by; a replay has one of its own, because a person wants it there again
    key: str | None  # the gateway's order key: a stream of one source
    topic: str
    body: bytes
    media_type: str
    attributes: Mapping[str, str]  # of CloudEvents, in binary mode, without any prefix
    properties: Mapping[str, str]  # in both modes, under these names

    def named(self, prefix: str) -> dict[str, str]:
        """Attributes under a prefix, and the properties."""
        return {f"{prefix}{name}": value for name, value in self.attributes.items()} | dict(self.properties)


def compose(
    delivery: Delivery, topic: str, body: Literal["event", "binary"], trace: Mapping[str, str]
) -> StreamMessage:
    """The message of one delivery. `trace`: the trace context to send on."""
    event = delivery.event
    properties = {
        "recording-gateway-id": event.ref,
        "recording-gateway-source": event.source,
        "recording-gateway-type": event.type,
        "recording-gateway-trust": event.trust.value,
        "recording-gateway-received": format_time(event.received_at),
    }
    if (key := order_key(event.source, event.subject, ordered=True)) is not None:
        properties["recording-gateway-key"] = key
    if event.supersedes:
        properties["recording-gateway-supersedes"] = event.supersedes
    if delivery.replay:
        properties["recording-gateway-replay"] = "true"
    attributes: dict[str, str] = {}
    if body == "event":
        content, media_type = to_json(event), CLOUDEVENTS_JSON
    else:
        texts, content, media_type = to_binary(event)
        attributes = {name: _bounded(text, attribute_bytes_max(name)) for name, text in texts.items()}
    return StreamMessage(
        id=f"{event.source}/{event.ref}" + (f"/{delivery.id}" if delivery.replay else ""),
        key=key,
        topic=topic,
        body=content.encode(),
        media_type=media_type,
        attributes=attributes,
        properties={name: _bounded(value, ATTRIBUTE_BYTES_MAX) for name, value in properties.items()} | dict(trace),
    )


def _bounded(text: str, bytes_max: int) -> str:
    """On one line and without controls, which CloudEvents forbids and MQTT brokers hang up on; what is longer is cut and
    ends in an ellipsis. The body has it whole."""
    text = visible(text)
    raw = text.encode()
    return text if len(raw) <= bytes_max else raw[: bytes_max - 3].decode(errors="ignore") + "…"


def percent_encoded(value: str) -> str:
    """For a header that holds nothing but printable ASCII."""
    return quote(value, safe=HEADER_PLAIN)
