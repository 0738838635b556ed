"""The hooks: they register, carry and watch; objects do the work."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from gateway.follow_up import DeliveryResult
    from gateway.model import Attempt, Delivery, Event
    from gateway.plugin import Sink, Source

PROJECT = "recording_gateway"
NAMES = ("register_sources", "register_sinks", "deliver", "event_stored", "attempt_finished")
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function as a hook of this project."""


@hookspec
def register_sources() -> list[type[Source]]:  # type: ignore[empty-body]
    """Source types this plugin brings, for files and modules listed in `plugins:`."""


@hookspec
def register_sinks() -> list[type[Sink]]:  # type: ignore[empty-body]
    """Sink types this plugin brings, for files and modules listed in `plugins:`."""


@hookspec(firstresult=True)
def deliver(deliveries: Sequence[Delivery], sink: Sink) -> Awaitable[Sequence[DeliveryResult]]:  # type: ignore[empty-body]
    """Carry these deliveries (one, unless the sink batches) to this sink; the core awaits what is returned.

    The core's own implementation calls the sink. A plugin wraps it with `@hookimpl(wrapper=True)`: it yields, receives
    the awaitable and returns another. A wrapper that raises must close the awaitable it was given.
    """


@hookspec
def event_stored(event: Event, sinks: Sequence[str]) -> None:
    """An event and its deliveries were committed. Called on a thread of the plugin's own."""


@hookspec
def attempt_finished(delivery: Delivery, attempt: Attempt) -> None:
    """One attempt ended and its outcome is about to be committed. Called on a thread of the plugin's own."""
