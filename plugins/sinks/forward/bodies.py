"""What the body of a forwarded request can be, with the headers that belong to it."""

from __future__ import annotations

import itertools
import re
from datetime import datetime
from typing import Final
from urllib.parse import quote

import msgspec

from gateway import (
    ATTRIBUTE_BYTES_MAX,
    CLOUDEVENTS_JSON,
    HEADER_PLAIN,
    Event,
    Refused,
    attribute_bytes_max,
    to_binary,
    to_json,
)
from plugins.sinks.forward.signatures import HuaweiLiveScheme
from plugins.vendors.huawei_live.reissue import reissue

JSON: Final = "application/json"
_UNKNOWN: Final = "application/octet-stream"
_MEDIA_TYPE: Final = re.compile(r"[\x20-\x7e]+", re.ASCII)
_PROVIDER: Final = "huawei-live"


def bounded(value: str, most: int, *, safe: str = HEADER_PLAIN) -> str:
    """Percent-encoded for a header; what is longer is cut between characters and ends in an ellipsis, which says so."""
    encoded = quote(value, safe=safe)
    if len(encoded) <= most:
        return encoded
    end = quote("…", safe=safe)
    letters = [quote(letter, safe=safe) for letter in value[:most]]
    lengths = itertools.accumulate(map(len, letters))
    return "".join([letter for letter, length in zip(letters, lengths, strict=True) if length <= most - len(end)]) + end


class Body(msgspec.Struct, frozen=True):
    """The bytes, their media type, and headers that are part of the message."""

    content: bytes
    media_type: str
    headers: dict[str, str]


def structured(event: Event) -> Body:
    """The event as CloudEvents JSON."""
    return Body(to_json(event).encode(), CLOUDEVENTS_JSON, {})


def binary(event: Event) -> Body:
    """CloudEvents' binary mode: the attributes as `ce-` headers, `data` alone as the body."""
    attributes, data, media_type = to_binary(event)
    headers = {f"ce-{name}": bounded(text, attribute_bytes_max(name)) for name, text in attributes.items()}
    return Body(data.encode(), media_type, headers)


def raw(event: Event) -> Body:
    """The vendor's bytes and the media type they came with."""
    kind = event.raw_type or JSON  # because nearly every vendor's callbacks are
    fit = len(kind) <= ATTRIBUTE_BYTES_MAX and _MEDIA_TYPE.fullmatch(kind)
    return Body(event.raw, kind if fit else _UNKNOWN, {})


def huawei_live(event: Event, sign: HuaweiLiveScheme, now: datetime) -> Body:
    """The vendor's own callback, signed afresh. Raises Refused for an event that did not come as one."""
    if event.provider != _PROVIDER:
        raise Refused(
            f"body: huawei-live forwards only callbacks of Huawei Live, and this event came from {event.provider!r}; "
            "route others to a forward with body: event"
        )
    try:
        content = reissue(
            event.raw,
            scheme=sign.sign_type,
            key=sign.key.reveal().encode(),
            expires=int((now + sign.validity).timestamp()),
        )
    except ValueError as error:
        raise Refused(f"the vendor's callback cannot be signed afresh: {_why(error)}") from None
    return Body(content, raw(event).media_type, {})


def _why(error: ValueError) -> str:
    """Without the callback's text, which a decoder's own words may repeat."""
    return "it is not a JSON object in UTF-8" if type(error) is not ValueError else str(error)
