"""The gateway as one object: puts the parts together, opens them in order, takes callbacks, closes them in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping

import structlog

from gateway.clock import Clock
from gateway.config.load import Loaded
from gateway.dispatcher import Dispatcher
from gateway.egress.client import Http
from gateway.errors import Problem, StoreError
from gateway.intake import Door, Intake, Taken
from gateway.journal import Journal
from gateway.lanes.carry import Carrier
from gateway.metrics import Metrics
from gateway.plugin import Callback, Sink, Source
from gateway.refusals import Refusals
from gateway.routing import Router
from gateway.store.store import Store
from gateway.watchdog import Watchdog

log = structlog.get_logger("gateway.app")

PROBE_EVERY = 5.0  # seconds between two commits made only to know that the store works
SWEEP_EVERY = 60.0  # seconds between two passes of retention


class Gateway:
    """One configuration, running. `open` and `close` once each, from the event loop that serves it."""

    def __init__(self, loaded: Loaded, *, clock: Clock | None = None) -> None:
        settings = loaded.settings
        self.settings = settings
        self.registry = loaded.registry
        self.clock = clock or Clock()
        self.metrics = Metrics()
        self.stopping = False
        self._opened = False
        self._probed_at: float | None = None
        self._housekeeping: asyncio.Task[None] | None = None
        self._watchdog = Watchdog(self.metrics.loop_blocked)
        self.registry.register(Carrier(), "gateway")
        self.store = Store(
            settings.store.url,
            password=settings.store.password.reveal() if settings.store.password else None,
            keep=settings.store.keep_policy(),
            clock=self.clock,
            owner=f"{socket.gethostname()}:{os.getpid()}",
            observe=self._observe_commit,
        )
        self.http = Http(clock=self.clock)
        self.sinks = self._make_sinks()
        self.dispatcher = Dispatcher(
            store=self.store,
            hook=self.registry.hook,
            sinks=self.sinks,
            policies={name: sink.delivery for name, sink in settings.sinks.items()},
            clock=self.clock,
            metrics=self.metrics,
        )
        self.refusals = Refusals(store=self.store, metrics=self.metrics, clock=self.clock)
        self.sources_by_path: Mapping[str, Door] = {door.path: door for door in self._make_doors()}
        self._intake = Intake(
            router=Router(settings.routes, on_error=self._count_route_error),
            store=self.store,
            dispatcher=self.dispatcher,
            journal=Journal(hook=self.registry.hook, metrics=self.metrics),
            refusals=self.refusals,
        )

    def _make_sinks(self) -> dict[str, Sink]:
        made = {}
        for name, configured in self.settings.sinks.items():
            cls = self.registry.sink(configured.type)
            made[name] = cls(name, configured.options, http=self.http, log=structlog.get_logger("sink").bind(sink=name))
        return made

    def _make_doors(self) -> list[Door]:
        doors = []
        for name, configured in self.settings.sources.items():
            source: Source = self.registry.source(configured.type)(name, configured.options)
            doors.append(
                Door(
                    name=name,
                    path=configured.path,
                    source=source,
                    min_trust=configured.min_trust,
                    hold_conflicts=configured.on_conflict == "hold",
                    allow_from=configured.allow_from,
                )
            )
        return doors

    # -- life

    async def open(self, *, lock_wait: float = 30.0) -> None:
        """Open the store (waiting for its lock), then the sinks. Raises StoreError; a sink that fails only opens its circuit."""
        await self.http.open()
        await self.store.open(lock_wait=lock_wait)
        await self.store.serving(list(self.sinks))
        await self.dispatcher.open()
        self.store.listen(self.dispatcher.wake)
        self._watchdog.start()
        self._housekeeping = asyncio.create_task(self._keep_house(), name="housekeeping")
        self._opened = True

    def stop(self) -> None:
        """From now on callbacks are answered 503 `stopping` and readiness says no."""
        self.stopping = True

    async def close(self, grace: float | None = None) -> None:
        """Let what is being sent end within `grace` seconds, write every outcome, close sinks, store and client."""
        self.stop()
        self._watchdog.stop()
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._housekeeping
        if self._opened:
            await self.dispatcher.close(self.settings.server.shutdown_grace.total_seconds() if grace is None else grace)
        await self.store.close()
        await self.http.close()

    # -- work

    async def take(self, door: Door, callback: Callback) -> Taken:
        """Answer one callback. Raises Problem."""
        if self.stopping or not self._opened:
            problem = Problem(503, "stopping", "the gateway is not taking callbacks now", retry_after=5)
            self.refusals.count(door.name, problem)
            raise problem
        return await self._intake.take(door, callback)

    def refuse(self, source: str | None, problem: Problem) -> None:
        """Count a refusal that happened before a callback could be made of the request."""
        self.refusals.count(source, problem)

    async def readiness(self) -> tuple[bool, Mapping[str, str]]:
        """Whether callbacks would be taken now, and the state of each part; the store is probed at most once in 5 s."""
        if self.stopping:
            return False, {"gateway": "stopping"}
        if not self._opened:
            return False, {"gateway": "starting"}
        now = self.clock.monotonic()
        if self._probed_at is None or now - self._probed_at >= PROBE_EVERY:
            self._probed_at = now
            with contextlib.suppress(StoreError):
                await self.store.ping()
        healthy = self.store.healthy()
        return healthy, {"gateway": "ok", "store": "ok" if healthy else "unavailable"}

    # -- housekeeping

    async def _keep_house(self) -> None:
        while True:
            await self.clock.sleep(SWEEP_EVERY)
            try:
                await self.store.serving(list(self.sinks))
                if deleted := await self.store.sweep():
                    log.info("retention", deleted=deleted)
            except StoreError as error:
                log.warning("housekeeping_failed", error=str(error))
            except Exception:
                log.exception("housekeeping_failed")

    def _count_route_error(self, route: str) -> None:
        self.metrics.route_errors.labels(route).inc()

    def _observe_commit(self, items: int, seconds: float) -> None:
        self.metrics.commit_batch_size.observe(items)
        self.metrics.commit_seconds.observe(seconds)
