"""What pages, the admin API and remote commands ask of a running gateway without changing anything, each once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from gateway.admin import bulk, configuration, overview, reads, recording_reads, sink_states, source_states
from gateway.admin.act_results import JobItem, Names
from gateway.admin.duties import AdminDuties, Tended
from gateway.admin.overview_results import AuditItem, Configuration, Overview, Series, StoreStatus
from gateway.admin.queries import AuditQuery, DeliveryQuery, EventQuery, PageQuery, RefusedQuery
from gateway.admin.recording_reads import RecordingItem, RecordingQuery
from gateway.admin.requests import EventNames
from gateway.admin.results import DeliveryDetail, DeliveryItem, EventItem, Page
from gateway.admin.sink_results import RefusedItem, SinkItem, SourceItem
from gateway.admin.window_counts import Window
from gateway.dispatch.dispatcher import Dispatcher
from gateway.store.admin.dead_letters import DeadLetters, dead_letters


class Whole(Tended, Protocol):
    """The gateway behind all of it."""

    @property
    def dispatcher(self) -> Dispatcher: ...
    @property
    def file_state(self) -> str:
        """`ok`, or that the last reload was refused."""


class ReadingService:
    """The reading half of AdminService. Everything raises GatewayError: NotFound, Ambiguous, UnknownValue (a filter),
    Problem (a cursor, a limit), StoreUnavailable."""

    def __init__(self, gateway: Whole, duties: AdminDuties) -> None:
        self._gateway = gateway
        self._access = duties.access
        self._started_at = duties.started_at
        self._very_late = duties.very_late

    async def overview(self, window: Window = "24h", *, whole: bool = False) -> Overview:
        """Everything of the first page."""
        late = self._very_late()
        return await self._access.read(
            partial(overview.overview, self._gateway, window, self._started_at, not whole, late=late)
        )

    async def configuration(self, *, whole: bool = False) -> Configuration:
        """What runs, masked; `whole`: with the paths of sources, which are second keys."""
        state = self._gateway.file_state
        return await self._access.read(
            partial(configuration.configuration, self._gateway, self._started_at, state, whole)
        )

    async def store(self) -> StoreStatus:
        """The store at a glance; it counts everything."""
        return await self._access.read(reads.store)

    async def events(self, asked: EventQuery) -> Page[EventItem]:
        """A page of events."""
        return await self._access.read(partial(reads.events, self._gateway, asked))

    async def names(self, asked: EventNames) -> Names:
        """The shortest name of each event."""
        events = [(one.ref, one.id, one.source) for one in asked.events]
        short = await self._access.read(lambda admin: admin.short_refs(events))
        return Names(names=[short[ref, source] for ref, _, source in events])

    async def deliveries(self, asked: DeliveryQuery) -> Page[DeliveryItem]:
        """A page of deliveries."""
        return await self._access.read(partial(reads.deliveries, self._gateway, asked))

    async def dead_letters(self) -> Sequence[DeadLetters]:
        """Dead letters by sink and reason."""
        return await self._access.read(lambda admin: admin.ask(dead_letters))

    async def delivery(self, id: int) -> DeliveryDetail:
        """One delivery with its attempts, and what comes next."""
        return await self._access.read(partial(reads.delivery, id))

    async def sinks(self, *, exact: bool = False) -> Page[SinkItem]:
        """Every sink."""
        settings, minute = self._gateway.loaded.settings, self._gateway.clock.ms() // 60_000
        items = await self._access.read(
            lambda admin: sink_states.sink_items(settings, admin, exact=exact, minute=minute)
        )
        return Page[SinkItem](items=items, next=None)

    async def sink(self, name: str) -> SinkItem:
        """One sink."""
        settings, minute = self._gateway.loaded.settings, self._gateway.clock.ms() // 60_000
        return await self._access.read(lambda admin: sink_states.sink_item(settings, admin, name, minute))

    async def sink_series(self, name: str) -> Series | None:
        """How the attempts of one sink went in the last 24 hours."""
        return await self._access.read(partial(overview.sink_series, name, self._gateway.clock.ms() // 60_000))

    async def sources(self, *, whole: bool = False) -> Page[SourceItem]:
        """Every source."""
        settings, minute = self._gateway.loaded.settings, self._gateway.clock.ms() // 60_000
        items = await self._access.read(
            lambda admin: source_states.source_items(settings, admin, minute=minute, masked=not whole)
        )
        return Page[SourceItem](items=items, next=None)

    async def source(self, name: str, *, whole: bool = False) -> SourceItem:
        """One source."""
        settings, minute = self._gateway.loaded.settings, self._gateway.clock.ms() // 60_000
        return await self._access.read(
            lambda admin: source_states.source_item(settings, admin, name, minute, masked=not whole)
        )

    async def refused(self, asked: RefusedQuery) -> Page[RefusedItem]:
        """A page of refused callbacks."""
        return await self._access.read(partial(reads.refused, self._gateway, asked))

    async def audit(self, asked: AuditQuery) -> Page[AuditItem]:
        """What people did."""
        return await self._access.read(partial(reads.audit, self._gateway, asked))

    async def recordings(self, asked: RecordingQuery, *, whole: bool = False) -> Page[RecordingItem]:
        """A page of recordings. `whole`: with the queries of URLs."""
        return await self._access.read(partial(recording_reads.page, self._gateway, asked, whole))

    async def recording(self, id: int, *, whole: bool = False) -> RecordingItem:
        """One recording."""
        return await self._access.read(partial(recording_reads.detail, id, whole))

    async def jobs(self, asked: PageQuery) -> Page[JobItem]:
        """A page of bulk acts."""
        return await self._access.read(partial(reads.jobs, asked))

    async def job(self, id: int) -> JobItem:
        """One bulk act."""
        return await self._access.read(lambda admin: bulk.job_item(admin.job(id)))
