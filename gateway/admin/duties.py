"""What the admin side does by itself while the gateway runs, whether or not anybody asks it something."""

from __future__ import annotations

from typing import Protocol

from gateway.admin.access import Running, StoreAccess
from gateway.admin.jobs import JobRunner
from gateway.admin.news_exchange import Counting, NewsExchange
from gateway.admin.stream import LiveHub
from gateway.reconcile.runner import ReconcileMetrics, Reconciler, ReconcilingGateway


class AdminMetrics(Counting, ReconcileMetrics, Protocol):
    """The gateway's metrics, as far as they are used here."""


class Tended(Running, ReconcilingGateway, Protocol):
    """The gateway that it is done for."""

    @property
    def metrics(self) -> AdminMetrics: ...


class AdminDuties:
    """Counters and news, bulk acts, the asking of vendors' lists. `start` and `close` once each."""

    def __init__(self, gateway: Tended) -> None:
        self.started_at = gateway.clock.ms()
        self.very_late = gateway.duties.very_late
        self.access = StoreAccess(gateway)
        self.hub = LiveHub()
        self.teller = NewsExchange(gateway.store, gateway.metrics, self.hub, gateway.clock, gateway.duties)
        self.jobs = JobRunner(gateway, gateway.store, self.access, gateway.metrics.activity, gateway.duties)
        self.reconciler = Reconciler(gateway)

    def start(self) -> None:
        """Begin to store counters and news, and to go on with bulk acts. The store is open."""
        self.teller.start()
        self.jobs.start()
        self.reconciler.start()

    async def close(self) -> None:
        """End streams, stop, close what was opened. The store is still open."""
        self.hub.close()
        await self.reconciler.close()
        await self.jobs.close()
        await self.teller.close()
        await self.access.close()
