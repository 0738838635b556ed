"""The admin side without a gateway: beside a store, the same functions give the same answers as its API would."""

from __future__ import annotations

from collections.abc import Callable

from gateway.admin import acts, configuration, overview, reads, recording_reads, sink_states, source_states
from gateway.admin.access import Running
from gateway.admin.act_results import ManyDone, OneDone
from gateway.admin.glance import NotRunning
from gateway.admin.overview_results import Overview, RouteAnswer
from gateway.admin.queries import DeliveryQuery, EventQuery, RefusedQuery
from gateway.admin.recording_reads import RecordingItem, RecordingQuery
from gateway.admin.requests import ReplayCommand
from gateway.admin.results import DeliveryDetail, DeliveryItem, EventDetail, EventItem, Page
from gateway.admin.sink_results import RefusedDetail, RefusedItem, SinkItem, SourceItem
from gateway.admin.store_opener import store_admin
from gateway.admin.window_counts import Window
from gateway.config.loaded import Loaded
from gateway.runtime.clock import Clock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.audit import Actor


class BesideStore:
    """One configuration's store, asked by one thread. `whole`: with the queries of URLs and the paths of sources, for who
    may read the store itself; `actor`: who acts. Raises what AdminService raises. Use it in a `with`."""

    def __init__(self, loaded: Loaded, *, whole: bool, actor: Actor | None = None, clock: Clock | None = None) -> None:
        self._gateway: Running = NotRunning(loaded, clock or Clock())
        self._admin: StoreAdmin = store_admin(loaded.settings, clock=clock)
        self._whole = whole
        self._actor = actor or Actor.here()

    def __enter__(self) -> BesideStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self._admin.close()

    # -- reading

    def overview(self, window: Window = "24h") -> Overview:
        """The gateway at a glance."""
        return overview.overview(self._gateway, window, None, not self._whole, self._admin)

    def events(self, asked: EventQuery) -> Page[EventItem]:
        """A page of events."""
        return reads.events(self._gateway, asked, self._admin)

    def event(self, ref: str) -> EventDetail:
        """One event with everything."""
        return reads.event(ref, self._whole, self._admin)

    def deliveries(self, asked: DeliveryQuery) -> Page[DeliveryItem]:
        """A page of deliveries."""
        return reads.deliveries(self._gateway, asked, self._admin)

    def delivery(self, id: int) -> DeliveryDetail:
        """One delivery with its attempts, and what comes next."""
        return reads.delivery(id, self._admin)

    def sinks(self) -> Page[SinkItem]:
        """Every sink."""
        settings, minute = self._gateway.loaded.settings, self._minute
        return Page[SinkItem](
            items=sink_states.sink_items(settings, self._admin, exact=False, minute=minute), next=None
        )

    def sink(self, name: str) -> SinkItem:
        """One sink."""
        return sink_states.sink_item(self._gateway.loaded.settings, self._admin, name, self._minute)

    def sources(self) -> Page[SourceItem]:
        """Every source."""
        settings, masked = self._gateway.loaded.settings, not self._whole
        return Page[SourceItem](
            items=source_states.source_items(settings, self._admin, minute=self._minute, masked=masked), next=None
        )

    def refused(self, asked: RefusedQuery) -> Page[RefusedItem]:
        """A page of refused callbacks."""
        return reads.refused(self._gateway, asked, self._admin)

    def refusal(self, id: int) -> RefusedDetail:
        """One refused callback."""
        return reads.refusal(id, False, self._admin)

    def recordings(self, asked: RecordingQuery) -> Page[RecordingItem]:
        """A page of recordings."""
        return recording_reads.page(self._gateway, asked, self._whole, self._admin)

    def recording(self, id: int) -> RecordingItem:
        """One recording."""
        return recording_reads.detail(id, self._whole, self._admin)

    def route(self, event: dict[str, object], config: str | None) -> RouteAnswer:
        """Where an event would go, by today's routes or by these."""
        self._must_be_well()
        return configuration.route(self._gateway.loaded, event, config)

    # -- acts, one at a time

    def retry(self, id: int) -> OneDone:
        """A new round, or now."""
        return self._alone(lambda: acts.retry([id], self._actor, self._admin))

    def cancel(self, id: int) -> OneDone:
        """An end."""
        return self._alone(lambda: acts.cancel([id], self._actor, self._admin))

    def replay(self, ref: str, asked: ReplayCommand) -> OneDone:
        """Another round."""
        self._must_be_well()
        return self._alone(lambda: acts.replay(self._gateway, [ref], asked, self._actor, self._admin))

    def pause(self, sink: str) -> OneDone:
        """Hold everything for a sink."""
        return acts.pause(self._gateway, sink, self._actor, self._admin)

    def resume(self, sink: str) -> OneDone:
        """Let a sink go on."""
        return acts.resume(self._gateway, sink, self._actor, self._admin)

    def _must_be_well(self) -> None:
        if (refused := self._gateway.loaded.refused) is not None:
            raise refused

    @property
    def _minute(self) -> int:
        return self._gateway.clock.ms() // 60_000

    def _alone(self, act: Callable[[], ManyDone]) -> OneDone:
        return acts.alone(act())
