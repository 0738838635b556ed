"""The gateway as one object: puts the parts together, opens them in order, takes callbacks, closes them in order."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.admin.duties import AdminDuties
from gateway.alarms.raiser import AlarmRaiser
from gateway.assembly import make_endpoints, make_sink, make_store, sink_policies
from gateway.config.grammar.settings import Settings
from gateway.config.load import Loaded, load
from gateway.dispatch.attempt import Carrier
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.follow_ups import FollowUps
from gateway.egress.client import Http
from gateway.errors import Problem, StoreError
from gateway.intake.activity import SourceActivity
from gateway.intake.intake import Intake
from gateway.intake.rejections import Refusals
from gateway.intake.reporter import Journal
from gateway.intake.under_way import Answered, SourceEndpoint
from gateway.model import Event
from gateway.plugin import Callback
from gateway.plugin.hooks import Relay, WatchThreads
from gateway.recordings.follower import RecordingFollower
from gateway.recordings.watch_setup import watch_setup
from gateway.reload import Reloaded, ReloadRefused, compare, kept_sinks, refuse_what_is_wrong
from gateway.reloader import Reloader
from gateway.routing import Router, RoutingDecision
from gateway.runtime.background import end_tasks
from gateway.runtime.clock import Clock
from gateway.runtime.duty import Duties
from gateway.runtime.failure_shield import harmless
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.metrics import Metrics
from gateway.runtime.trace_export import make_traces
from gateway.runtime.traces import Traces
from gateway.store.admin.audit import Actor
from gateway.store.records import Accepted, OwnEvent
from gateway.store_keeper import StoreKeeper
from gateway.watchdog import Watchdog

if TYPE_CHECKING:
    from gateway.admin.service import AdminService

log = import_structlog().get_logger("gateway.app")


class Gateway:
    """One configuration, running. `open` and `close` once each, from the event loop that serves it."""

    def __init__(self, loaded: Loaded, *, clock: Clock | None = None, traces: Traces | None = None) -> None:
        """`traces` are made as the environment asks, where none are given."""
        settings = loaded.settings
        self.loaded = loaded
        self.clock = clock or Clock()
        self.metrics = Metrics(self.clock)
        self.duties = Duties(self.clock, self.metrics)
        self.traces = make_traces(os.environ) if traces is None else traces
        self.stopping = False
        self._opened = False
        self._background: Sequence[asyncio.Task[None]] = ()
        self._watchdog = Watchdog(self.metrics.loop_blocked)
        loaded.registry.register(Carrier(), "gateway")
        self._relay = Relay(loaded.registry.hook)
        self.watch_threads = WatchThreads(self.metrics.watch_calls_dropped)
        self.store = make_store(settings.store, self.clock, self.metrics.observe_commit)
        self._keeper = StoreKeeper(self.store, lambda: self.sinks, self.clock)
        self.store.divide(settings.sources)
        self.http = Http(clock=self.clock)
        self.sinks = {name: make_sink(loaded, name, self.http) for name in settings.sinks}
        self.dispatcher = Dispatcher(
            store=self.store,
            hook=self._relay,
            sinks=self.sinks,
            policies=sink_policies(settings),
            clock=self.clock,
            metrics=self.metrics,
            threads=self.watch_threads,
            traces=self.traces,
            decide=self.decide,
            redact=lambda event: self.loaded.redact(event),  # noqa: PLW0108  of what runs now
            followed=self._followed,
            duties=self.duties,
        )
        self.refusals = Refusals(store=self.store, metrics=self.metrics, clock=self.clock)
        self._activity = SourceActivity(self.store)
        self._journal = Journal(
            hook=self._relay, metrics=self.metrics, activity=self._activity, threads=self.watch_threads
        )
        self.sources_by_path: Mapping[str, SourceEndpoint] = make_endpoints(loaded)
        self.metrics.expect(settings.sources, settings.sinks)
        self._router = self._make_router(loaded)
        self._intake = self._make_intake(self._router)
        own = (self.store, self.clock, self.metrics, self.decide, self.own_stored)
        self.alarms = AlarmRaiser(*own, setup=lambda: self.settings.alarm_setup, duties=self.duties)
        self._recordings = RecordingFollower(
            *own, setup=lambda: watch_setup(self.settings), see=self.alarms.see, keeps_order=self.dispatcher.keeps_order
        )
        self._reloader = Reloader(
            self._swap,
            path=loaded.path,
            files=lambda: self.loaded.watched_files,
            store=self.store,
            alarms=self.alarms,
            metrics=self.metrics,
            duties=self.duties,
        )
        self._duties = AdminDuties(self)

    @functools.cached_property
    def admin(self) -> AdminService:
        """What people ask and do. Made for the first who comes: its answers take a tenth of the memory of the start."""
        from gateway.admin.service import AdminService

        return AdminService(self, self._duties)

    def _make_router(self, loaded: Loaded) -> Router:
        return Router(loaded.settings.all_routes, on_error=self.metrics.count_route_error)

    def _make_intake(self, router: Router) -> Intake:
        return Intake(
            router=router,
            store=self.store,
            dispatcher=self.dispatcher,
            journal=self._journal,
            refusals=self.refusals,
        )

    @property
    def token_place(self) -> str:
        """Where the first admin token is written."""
        return self.loaded.token_place

    @property
    def settings(self) -> Settings:
        """What runs now."""
        return self.loaded.settings

    # -- life

    async def open(self, *, lock_wait: float = 30.0) -> None:
        """Open the store (waiting for its lock), then the sinks. Raises StoreError; a sink that fails only opens its circuit."""
        await self.http.open()
        settings = self.settings
        log.info(
            "opening",
            configuration=str(self.loaded.path),
            store=settings.store.url,  # without its password, which was taken out when it was read
            sources={name: one.type for name, one in settings.sources.items()},
            sinks={name: one.type for name, one in settings.sinks.items()},
        )
        await self.store.open(lock_wait=lock_wait)
        await self._keeper.serve()
        await self.dispatcher.open()
        self.store.listen(self.dispatcher.wake)
        await self.alarms.open()
        self._watchdog.start()
        self._background = [
            *self._keeper.start(self.duties),
            self._activity.start(self.duties),
            *self._recordings.start(self.duties),
        ]
        self._duties.start()
        self._opened = True

    def stop(self) -> None:
        """From now on callbacks are answered 503 `stopping` and readiness says no."""
        self.stopping = True

    async def close(self, grace: float | None = None) -> None:
        """Let what is being sent end within `grace` seconds, write every outcome, close sinks, store and client."""
        self.stop()
        self._watchdog.stop()
        await end_tasks(*self._background)
        await self.alarms.close()
        if self._opened:
            await self.dispatcher.close(self.settings.server.shutdown_grace.total_seconds() if grace is None else grace)
            await self._activity.write_last()
        await self._duties.close()
        await self.store.close()
        await self.http.close()
        await self.traces.close()
        await asyncio.to_thread(self.watch_threads.close)

    @property
    def file_state(self) -> str:
        """`ok`, or that the file is not what runs."""
        return self._reloader.file_state

    # -- work

    def take_callback(self, endpoint: SourceEndpoint, callback: Callback, answered: Answered) -> None:
        """Take one callback; `answered` hears its answer once, or why there is none (Problem)."""
        if self._opened and not self.stopping:
            return self._intake.take_callback(endpoint, callback, answered)
        problem = Problem(503, "stopping", "the gateway is not taking callbacks now", retry_after=5)
        self.refusals.count(endpoint.name, problem)
        return answered(problem)

    def keep_unknown(self, problem: Problem, callback: Callback, size: int) -> None:
        """Remember a request to a path that names no source, for whoever looks for a vendor's callbacks."""
        paths = {path: endpoint.name for path, endpoint in self.sources_by_path.items()}
        self.refusals.keep_unknown(problem, callback, size, paths)

    def count_refusal(self, source: str | None, problem: Problem) -> None:
        """Count a refusal that happened before a callback could be made of the request."""
        self.refusals.count(source, problem)

    async def readiness(self) -> tuple[bool, Mapping[str, str]]:
        """Whether callbacks would be taken now, and the state of each part; the store is probed at most once in 5 s."""
        ready = False  # so it is called too when whoever asked does not wait for the answer
        try:
            ready, parts = await self._readiness()
        finally:
            self.metrics.ready.set(ready)
        return ready, parts

    async def _readiness(self) -> tuple[bool, Mapping[str, str]]:
        if self.stopping:
            return False, {"gateway": "stopping"}
        if not self._opened:
            return False, {"gateway": "starting"}
        store = await self._keeper.state()
        return store == "ok", {"gateway": "ok", "store": store, "configuration": self.file_state}

    # -- another configuration

    async def reload(self, actor: Actor) -> Reloaded:
        """Read the configuration file again and run what it says: all of it, or nothing. `actor` asked for it.

        Returns after the swap. Raises ConfigError, ReloadRefused or SinkNotOpened, and then nothing has changed.
        """
        return await self._reloader.reload(actor)

    async def watch(self) -> None:
        """Reload whenever the configuration file became another one, until cancelled."""
        await self._reloader.watch()

    async def _swap(self) -> Reloaded:
        running = self.loaded
        self._refuse_unless_open()
        new = await asyncio.to_thread(load, running.path)
        await asyncio.to_thread(refuse_what_is_wrong, running, new)
        new.registry.register(Carrier(), "gateway")
        settings = new.settings
        kept = kept_sinks(self.sinks, running, new)
        fresh = {name: make_sink(new, name, self.http) for name in settings.sinks if name not in kept}
        endpoints = make_endpoints(new)
        self.metrics.expect(settings.sources, settings.sinks)
        router = self._make_router(new)
        intake = self._make_intake(router)
        policies = sink_policies(settings)
        lanes = await self.dispatcher.prepare(fresh, policies)
        try:
            self._refuse_unless_open()
        except ReloadRefused:
            await self.dispatcher.discard(lanes)
            raise
        # From here to the end of the swap nothing is awaited: every callback sees either the old or the new whole.
        self.dispatcher.swap(lanes, kept, settings.server.shutdown_grace.total_seconds(), policies)
        self.sinks = {**{name: self.sinks[name] for name in kept}, **fresh}
        self._relay.change(new.registry.hook)
        self.sources_by_path, self._router, self._intake, self.loaded = endpoints, router, intake, new
        self.store.divide(settings.sources)
        for problem in new.warnings:
            log.warning("config_warning", path=problem.path, detail=problem.message)
        with contextlib.suppress(StoreError):  # housekeeping says it again within a minute; the swap is done
            await self._keeper.serve()
        return compare(running, new)

    def _refuse_unless_open(self) -> None:
        if self.stopping or not self._opened:
            raise ReloadRefused("stopping", "the gateway is starting or stopping")

    # -- what it says of itself

    def decide(self, event: Event) -> RoutingDecision:
        return self._router.decide(event)  # of the configuration that runs now

    def _followed(self, follow_ups: FollowUps, accepted: Sequence[Accepted]) -> None:
        self._journal.stored([new.event for new in follow_ups.events], follow_ups.decisions, accepted)

    @harmless
    def own_stored(self, event: Event, announced: OwnEvent) -> None:
        decision = RoutingDecision(tuple(delivery.sink for delivery in announced.new.deliveries), ())
        self._journal.stored([event], [decision], [announced.accepted])
        for sink in announced.accepted.waiting:
            self.dispatcher.wake(sink, urgent=True)
