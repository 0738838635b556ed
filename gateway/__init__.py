"""Recording Gateway: what a plugin author imports. What is not in `__all__` is private.

Names are loaded when they are first asked for, because `gateway health` and `gateway --help` must not pay for the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gateway.version import __version__

if TYPE_CHECKING:
    from gateway.egress.answers import Answer, judge
    from gateway.errors import Malformed, Refused, Retry, Unavailable, Untrusted
    from gateway.fields import ConfigPath, Duration, Glob, Globs, Rate, Secret, SecretUrl, Size, Url, between, secret
    from gateway.hookspecs import hookimpl
    from gateway.model import (
        EVENT_TYPES,
        Attempt,
        Delivery,
        Event,
        Fault,
        File,
        Outcome,
        Seal,
        Storage,
        Trust,
        Verified,
        event_id,
    )
    from gateway.plugin import Callback, Options, Played, Response, Scene, Sink, Source
    from gateway.signing import InvalidSignature
    from gateway.signing import verify as verify_webhook

_ROOMS = {
    "gateway.errors": ("Malformed", "Refused", "Retry", "Unavailable", "Untrusted"),
    "gateway.egress.answers": ("Answer", "judge"),
    "gateway.fields": (
        "ConfigPath",
        "Duration",
        "Glob",
        "Globs",
        "Rate",
        "Secret",
        "SecretUrl",
        "Size",
        "Url",
        "between",
        "secret",
    ),
    "gateway.hookspecs": ("hookimpl",),
    "gateway.model": (
        "EVENT_TYPES",
        "Attempt",
        "Delivery",
        "Event",
        "Fault",
        "File",
        "Outcome",
        "Seal",
        "Storage",
        "Trust",
        "Verified",
        "event_id",
    ),
    "gateway.plugin": ("Callback", "Options", "Played", "Response", "Scene", "Sink", "Source"),
    "gateway.signing": ("InvalidSignature",),
}
_WHERE = {name: (room, name) for room, names in _ROOMS.items() for name in names} | {
    "verify_webhook": ("gateway.signing", "verify")
}

__all__ = [
    "EVENT_TYPES",
    "Answer",
    "Attempt",
    "Callback",
    "ConfigPath",
    "Delivery",
    "Duration",
    "Event",
    "Fault",
    "File",
    "Glob",
    "Globs",
    "InvalidSignature",
    "Malformed",
    "Options",
    "Outcome",
    "Played",
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
    "Storage",
    "Trust",
    "Unavailable",
    "Untrusted",
    "Url",
    "Verified",
    "__version__",
    "between",
    "event_id",
    "hookimpl",
    "judge",
    "secret",
    "verify_webhook",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'gateway' has no attribute {name!r}")
    room, attribute = _WHERE[name]
    value = getattr(importlib.import_module(room), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
