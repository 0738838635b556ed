"""What pages, the admin API and its tests ask of a running gateway: every reading function and every act, once."""

from __future__ import annotations

from functools import partial

from gateway.admin import reads
from gateway.admin.access import Running, StoreAccess
from gateway.admin.queries import AuditQuery, DeliveryQuery, EventQuery, RefusedQuery
from gateway.admin.results import (
    AuditItem,
    DeliveryDetail,
    DeliveryItem,
    EventDetail,
    EventItem,
    Page,
    RefusedDetail,
    RefusedItem,
    ReloadAnswer,
    StoreStatus,
)
from gateway.store.admin.audit import Actor

__all__ = ["Actor", "AdminService"]


class AdminService:
    """`whole` means with credentials and URL queries: only for those who may operate. Everything raises GatewayError:
    NotFound, Ambiguous, UnknownValue (a filter), Problem (a cursor), StoreUnavailable."""

    def __init__(self, gateway: Running) -> None:
        self._gateway = gateway
        self._access = StoreAccess(gateway)

    async def close(self) -> None:
        """Close what was opened."""
        await self._access.close()

    # -- the gateway

    async def reload(self, actor: Actor) -> ReloadAnswer:
        """Run what the configuration file says now, or raise and change nothing."""
        done = await self._gateway.reload(actor)
        return ReloadAnswer(
            status="unchanged" if done.nothing else "reloaded",
            sources=dict(done.sources),
            sinks=dict(done.sinks),
            routes=done.routes,
        )

    # -- reading

    async def events(self, asked: EventQuery) -> Page[EventItem]:
        """A page of events."""
        return await self._access.read(partial(reads.events, self._gateway, asked))

    async def event(self, ref: str, *, whole: bool, actor: Actor) -> EventDetail:
        """One event with everything. `whole` is written down."""
        return await self._access.read(partial(reads.event, self._gateway, ref, whole))

    async def deliveries(self, asked: DeliveryQuery) -> Page[DeliveryItem]:
        """A page of deliveries."""
        return await self._access.read(partial(reads.deliveries, self._gateway, asked))

    async def delivery(self, id: int) -> DeliveryDetail:
        """One delivery with its attempts, and what comes next."""
        return await self._access.read(partial(reads.delivery, id))

    async def refused(self, asked: RefusedQuery) -> Page[RefusedItem]:
        """A page of refused callbacks."""
        return await self._access.read(partial(reads.refused, self._gateway, asked))

    async def refusal(self, id: int) -> RefusedDetail:
        """One refused callback."""
        return await self._access.read(partial(reads.refusal, id))

    async def audit(self, asked: AuditQuery) -> Page[AuditItem]:
        """What people did."""
        return await self._access.read(partial(reads.audit, self._gateway, asked))

    async def store(self) -> StoreStatus:
        """The store at a glance; it counts everything."""
        return await self._access.read(reads.store)
