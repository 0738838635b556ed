"""What the body of a forwarded request can be, with the headers that belong to it."""

from __future__ import annotations

import itertools
import re
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import quote

from gateway import Event, Refused, encode_json, to_document, to_json
from plugins.sinks.forward.signatures import HuaweiLiveScheme
from plugins.vendors.huawei_live.reissue import reissue

STRUCTURED: Final = "application/cloudevents+json"
JSON: Final = "application/json"
_UNKNOWN: Final = "application/octet-stream"
_MEDIA_TYPE: Final = re.compile(r"[\x20-\x7e]+", re.ASCII)
LONG_BYTES_MAX: Final = 2048  # of one header; Node.js answers 431 to more than 16 KiB of all headers together
HEADER_BYTES_MAX: Final = 512
_LONG: Final = frozenset({"subject", "cause"})  # a cause names up to four sinks and is no JSON when it is cut
_PROVIDER: Final = "huawei-live"
# https://github.com/cloudevents/spec, HTTP binding 3.1.3.2: space, quote, percent and what is not printable ASCII.
_PLAIN: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


def bounded(value: str, most: int, *, safe: str = _PLAIN) -> str:
    """Percent-encoded for a header; what is longer is cut between characters and ends in an ellipsis, which says so."""
    encoded = quote(value, safe=safe)
    if len(encoded) <= most:
        return encoded
    end = quote("…", safe=safe)
    letters = [quote(letter, safe=safe) for letter in value[:most]]
    lengths = itertools.accumulate(map(len, letters))
    return "".join([letter for letter, length in zip(letters, lengths, strict=True) if length <= most - len(end)]) + end


class Body(NamedTuple):
    """The bytes, their media type, and headers that are part of the message."""

    content: bytes
    media_type: str
    headers: dict[str, str]


def structured(event: Event) -> Body:
    """The event as CloudEvents JSON."""
    return Body(to_json(event).encode(), STRUCTURED, {})


def binary(event: Event) -> Body:
    """CloudEvents' binary mode: the attributes as `ce-` headers, `data` alone as the body."""
    document = to_document(event)
    data, media_type = document.pop("data"), document.pop("datacontenttype")
    headers = {
        f"ce-{name}": bounded(_attribute(value), LONG_BYTES_MAX if name in _LONG else HEADER_BYTES_MAX)
        for name, value in document.items()
    }
    return Body(encode_json(data).encode(), media_type, headers)


def _attribute(value: object) -> str:
    """Text as it is, a number in digits, an object (`cause`) as JSON, because a header holds nothing but text."""
    return value if isinstance(value, str) else encode_json(value)


def raw(event: Event) -> Body:
    """The vendor's bytes and the media type they came with."""
    kind = event.raw_type or JSON  # because nearly every vendor's callbacks are
    fit = len(kind) <= HEADER_BYTES_MAX and _MEDIA_TYPE.fullmatch(kind)
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
