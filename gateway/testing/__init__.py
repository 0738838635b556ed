"""What plugin authors test with: promise suites to inherit, a scripted server, factories, the hostile corpus, and a whole
gateway in a test. Plain imports, no pytest plugin; what is not in `__all__` is private.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.runtime.clock import FrozenClock
    from gateway.testing.corpus import Case, cases
    from gateway.testing.factories import NOW, callback, callbacks, delivery, event, events
    from gateway.testing.http_sinks import HttpSinkPromises
    from gateway.testing.inprocess import Posted, RunningGateway, running
    from gateway.testing.recorder import Recorder
    from gateway.testing.server import Received, Reply, ScriptedServer
    from gateway.testing.sinks import SinkPromises, opened
    from gateway.testing.sources import SourcePromises
    from gateway.testing.what_follows import follow_ups

_ROOMS = {
    "gateway.runtime.clock": ("FrozenClock",),
    "gateway.testing.corpus": ("Case", "cases"),
    "gateway.testing.factories": ("NOW", "callback", "callbacks", "delivery", "event", "events"),
    "gateway.testing.what_follows": ("follow_ups",),
    "gateway.testing.inprocess": ("Posted", "RunningGateway", "running"),
    "gateway.testing.recorder": ("Recorder",),
    "gateway.testing.server": ("Received", "Reply", "ScriptedServer"),
    "gateway.testing.http_sinks": ("HttpSinkPromises",),
    "gateway.testing.sinks": ("SinkPromises", "opened"),
    "gateway.testing.sources": ("SourcePromises",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "NOW",
    "Case",
    "FrozenClock",
    "HttpSinkPromises",
    "Posted",
    "Received",
    "Recorder",
    "Reply",
    "RunningGateway",
    "ScriptedServer",
    "SinkPromises",
    "SourcePromises",
    "callback",
    "callbacks",
    "cases",
    "delivery",
    "event",
    "events",
    "follow_ups",
    "opened",
    "running",
]


if not TYPE_CHECKING:  # because a type checker must miss a name that is not there

    def __getattr__(name: str) -> object:
        if name not in _ROOM_OF:
            raise AttributeError(f"module 'gateway.testing' has no attribute {name!r}")
        value = getattr(importlib.import_module(_ROOM_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
