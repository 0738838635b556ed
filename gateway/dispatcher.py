"""Carries what the store holds: a lane per sink that claims, delivers, decides and settles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.clock import Clock
from gateway.config.settings import DeliverySettings
from gateway.plugin import Sink
from gateway.store.records import Lease
from gateway.store.store import Store


class Dispatcher:
    """One per gateway. Everything is called from the event loop."""

    def __init__(
        self,
        *,
        store: Store,
        hook: Any,  # pluggy's relay: hook.deliver, hook.attempt_finished
        sinks: Mapping[str, Sink],
        policies: Mapping[str, DeliverySettings],
        clock: Clock,
        metrics: Any,  # gateway.metrics.Metrics
    ) -> None: ...

    async def open(self) -> None:
        """Open every sink (one that fails starts with its circuit open), start the lanes and the poll."""

    async def close(self, grace: float) -> None:
        """Stop claiming, let what is being sent end within `grace` seconds, release what has not begun, close sinks (5 s each)."""

    def reserve(self, sink: str, order_key: str | None) -> int | None:
        """The lease (ms) if this sink's lane takes one fresh delivery at once, else None. Pair with hand_over or unreserve."""
        raise NotImplementedError

    def unreserve(self, sink: str) -> None:
        """The reservation was not used: the commit failed, or the row was left waiting."""

    def hand_over(self, lease: Lease) -> None:
        """A reserved delivery, committed and leased."""

    def wake(self, sink: str) -> None:
        """Rows of this sink were left waiting."""

    def order_key(self, sink: str, subject: str) -> str | None:
        """What orders this sink's deliveries: the subject with `order: stream`, else None."""
        raise NotImplementedError
