"""Every service keeps the promises of a sink that speaks HTTP, before a server that answers as the real one does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from gateway.errors import DeliveryFailed, Unavailable
from gateway.testing.server import Received, Reply
from gateway.testing.sinks import HttpSinkPromises
from plugins.sinks.chat import Chat

from .conftest import ALL, YES, options


class ChatPromises(HttpSinkPromises):
    sink = Chat
    service: ClassVar[str]
    # a robot that nobody knows takes nothing until somebody mends its address
    statuses: ClassVar[Mapping[int, type[DeliveryFailed]]] = {**HttpSinkPromises.statuses, 404: Unavailable}

    def options(self, url: str) -> Mapping[str, Any]:
        return options(self.service, url)

    def identity(self, request: Received) -> Any:
        return None  # a chat has nothing to tell repeats by


def _made(service: str) -> type[ChatPromises]:
    accepted: Reply = YES[service]
    return type(f"Test_{service.replace('-', '_')}", (ChatPromises,), {"service": service, "accepted": accepted})


for _service in ALL:
    globals()[f"Test_{_service.replace('-', '_')}"] = _made(_service)
del ChatPromises, HttpSinkPromises, _service
