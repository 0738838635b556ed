"""A stream-push callback of Huawei Live as an event: that a stream is pushed, or is not any more, recorded or not."""

from __future__ import annotations

from typing import Final

from gateway import STREAM_ENDED, STREAM_STARTED, Callback, Event, Verified, event_id, format_time
from plugins.sources.common.fields import Reading, text_of
from plugins.vendors.huawei_live import signature

PUSH_TYPES: Final = {"PUBLISH": STREAM_STARTED, "PUBLISH_DONE": STREAM_ENDED}
_USER_ARGS: Final = "user_args"  # of the push's address, where its own signature stands: in no event


def push_event_of(source: str, callback: Callback, verified: Verified, *, signed: bool) -> Event | None:
    """The event of one callback; None: of a type that says neither. `signed`: its auth fields mean something.

    What names it is the moment of its signature, as of a recording that begins: nothing else that is signed tells two
    pushes of a stream apart.
    """
    document = callback.json()
    vendor_type, domain, app, stream = (text_of(document, name) for name in signature.PUSH_NAMES)
    type_ = PUSH_TYPES.get(vendor_type)
    if type_ is None:
        return None
    reading = Reading(document)
    reading.drop(*signature.PUSH_NAMES, "auth_sign", "auth_timestamp", _USER_ARGS)
    moment = signature.expiry_of(document.get("auth_timestamp")) if signed else None
    return Event(
        id=event_id(source, type_, domain, app, stream, None, [moment or format_time(callback.received_at)]),
        type=type_,
        source=source,
        provider="huawei-live",
        received_at=callback.received_at,
        trust=verified.trust,
        vendor_type=vendor_type,
        domain=domain,
        app=app,
        stream=stream,
        verified=verified,
        extra=reading.extra(),
        problems=tuple(reading.problems),
        raw=callback.body,
    )
