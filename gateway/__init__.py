"""Recording Gateway: what a plugin author imports. What is not in `__all__` is private.

Names are loaded when they are first asked for, because `gateway health` and `gateway --help` must not pay for the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gateway.version import __version__

if TYPE_CHECKING:
    from gateway.egress.answers import Answer, Classify, judge
    from gateway.egress.client import Http
    from gateway.egress.guard import AddressGuard
    from gateway.egress.via import Via
    from gateway.errors import DeliveryFailed, Malformed, Refused, Retry, Stopping, Unavailable, Untrusted
    from gateway.events.cloudevents import from_document, to_document, to_json
    from gateway.fields import (
        ConfigPath,
        Duration,
        Glob,
        Globs,
        Language,
        Rate,
        Secret,
        SecretUrl,
        Size,
        Timezone,
        Url,
        between,
        secret,
    )
    from gateway.follow_up import Done, FollowUp
    from gateway.model import (
        EVENT_TYPES,
        Archived,
        Attempt,
        Cause,
        Delivery,
        Event,
        Fault,
        File,
        Measured,
        Outcome,
        Progress,
        Seal,
        Storage,
        Trust,
        Verified,
        event_id,
    )
    from gateway.plugin import Callback, Options, Played, Response, Scene, Sink, Source
    from gateway.plugin.hookspecs import hookimpl
    from gateway.signing.standard_webhooks import InvalidSignature, verify_webhook
    from gateway.text.redaction import redact

_ROOMS = {
    "gateway.events.cloudevents": ("from_document", "to_document", "to_json"),
    "gateway.errors": ("DeliveryFailed", "Malformed", "Refused", "Retry", "Stopping", "Unavailable", "Untrusted"),
    "gateway.follow_up": ("Done", "FollowUp"),
    "gateway.egress.answers": ("Answer", "Classify", "judge"),
    "gateway.egress.client": ("Http",),
    "gateway.egress.via": ("Via",),
    "gateway.egress.guard": ("AddressGuard",),
    "gateway.text.redaction": ("redact",),
    "gateway.fields": (
        "ConfigPath",
        "Duration",
        "Glob",
        "Globs",
        "Language",
        "Rate",
        "Secret",
        "SecretUrl",
        "Size",
        "Timezone",
        "Url",
        "between",
        "secret",
    ),
    "gateway.plugin.hookspecs": ("hookimpl",),
    "gateway.model": (
        "EVENT_TYPES",
        "Archived",
        "Attempt",
        "Cause",
        "Delivery",
        "Event",
        "Fault",
        "File",
        "Measured",
        "Outcome",
        "Progress",
        "Seal",
        "Storage",
        "Trust",
        "Verified",
        "event_id",
    ),
    "gateway.plugin": ("Callback", "Options", "Played", "Response", "Scene", "Sink", "Source"),
    "gateway.signing.standard_webhooks": ("InvalidSignature",),
}
_WHERE = {name: (room, name) for room, names in _ROOMS.items() for name in names} | {
    "verify_webhook": ("gateway.signing.standard_webhooks", "verify")
}

__all__ = [
    "EVENT_TYPES",
    "AddressGuard",
    "Answer",
    "Archived",
    "Attempt",
    "Callback",
    "Cause",
    "Classify",
    "ConfigPath",
    "Delivery",
    "DeliveryFailed",
    "Done",
    "Duration",
    "Event",
    "Fault",
    "File",
    "FollowUp",
    "Glob",
    "Globs",
    "Http",
    "InvalidSignature",
    "Language",
    "Malformed",
    "Measured",
    "Options",
    "Outcome",
    "Played",
    "Progress",
    "Rate",
    "Refused",
    "Response",
    "Retry",
    "Scene",
    "Seal",
    "Secret",
    "SecretUrl",
    "Sink",
    "Size",
    "Source",
    "Stopping",
    "Storage",
    "Timezone",
    "Trust",
    "Unavailable",
    "Untrusted",
    "Url",
    "Verified",
    "Via",
    "__version__",
    "between",
    "event_id",
    "from_document",
    "hookimpl",
    "judge",
    "redact",
    "secret",
    "to_document",
    "to_json",
    "verify_webhook",
]


if not TYPE_CHECKING:  # because a type checker must miss a name that is not there

    def __getattr__(name: str) -> Any:
        if name not in _WHERE:
            raise AttributeError(f"module 'gateway' has no attribute {name!r}")
        room, attribute = _WHERE[name]
        value = getattr(importlib.import_module(room), attribute)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
