"""Gateways that tell alarms, and what their sinks got of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.model import Event
from gateway.testing.inprocess import RunningGateway

KEY = "demo-key-0123456789"


BASE: Mapping[str, Any] = {
    "version": 1,
    "sources": {"live": {"type": "huawei-live", "keys": [KEY]}},
    "sinks": {"app": {"type": "recorder"}, "ops": {"type": "recorder"}},
    "routes": [{"name": "recordings", "to": ["app"]}],
    "alarms": {"to": ["ops", "app"]},
}


TWO = {"app": {"type": "console"}, "ops": {"type": "console"}}


def alarms(gateway: RunningGateway) -> list[Event]:
    return [event for event in gateway.events() if event.alarm is not None]


def types(gateway: RunningGateway) -> list[str]:
    return [event.type for event in alarms(gateway)]
