"""Asks vendors for their lists while the gateway runs: when it is due, on one gateway of several, from where it was left off."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from msgspec.structs import replace

from gateway.config.loaded import Loaded
from gateway.egress.client import Http
from gateway.errors import DeliveryFailed, GatewayError, NotFound, Problem, Retry, StoreError
from gateway.model import Event
from gateway.plugin.own_code import own_code
from gateway.plugin.vendor_api import ListedPage, ListSpan, Reconcile
from gateway.reconcile.listed_events import new_events
from gateway.reconcile.vendor_call import RETRY_WAIT_MAX, RETRY_WAIT_MIN, listed_page, wait_after
from gateway.routing import RoutingDecision
from gateway.runtime.background import Bell, end_tasks, is_cancelled, tireless
from gateway.runtime.clock import Clock
from gateway.runtime.duty import Duties
from gateway.runtime.lean_imports import import_structlog
from gateway.store.outbox.reconciliation import ListedStored, ReconciliationRow, Run
from gateway.store.records import OwnEvent
from gateway.store.store import Store
from gateway.text.suggest import suggestion

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge

LOOK_SECONDS: Final = 5.0  # between two looks for what is due
RENEW_SECONDS: Final = 30.0  # between two signs of life of a run, a quarter of its lease
PROBLEMS_SHOWN_MAX: Final = 3  # of a page

log = import_structlog().get_logger("gateway.reconcile")


class ReconcileMetrics(Protocol):
    """Where it is counted."""

    @property
    def reconciled(self) -> Counter: ...
    @property
    def reconcile_failures(self) -> Counter: ...
    @property
    def reconcile_last(self) -> Gauge: ...


class Ordering(Protocol):
    """Who knows which sinks have `order: stream`."""

    def keeps_order(self, sink: str) -> bool: ...


class ReconcilingGateway(Protocol):
    """What is used of the gateway that runs."""

    @property
    def loaded(self) -> Loaded: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def store(self) -> Store: ...
    @property
    def http(self) -> Http: ...
    @property
    def metrics(self) -> ReconcileMetrics: ...
    @property
    def dispatcher(self) -> Ordering: ...
    @property
    def duties(self) -> Duties: ...
    def decide(self, event: Event) -> RoutingDecision: ...
    def own_stored(self, event: Event, announced: OwnEvent) -> None: ...


class Reconciler:
    """`start` and `close` once each. A run whose gateway died goes on here after its lease, from the page where it stood."""

    def __init__(self, gateway: ReconcilingGateway) -> None:
        self._gateway = gateway
        self._task: asyncio.Task[None] | None = None
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._bell = Bell(gateway.clock)
        self._read: Loaded | None = None
        self._options: Mapping[str, Reconcile] = {}
        self._left = False  # what a gateway held that is gone is free

    def start(self) -> None:
        """Begin."""
        self._task = self._gateway.duties.run_every("reconciling", self._turn, LOOK_SECONDS, bell=self._bell)

    async def ask_now(self, name: str, since: timedelta | None) -> str:
        """Begin a run of this source, on this gateway or another; says what was done. Raises NotFound, Problem."""
        sources, options = self._gateway.loaded.settings.sources, self._asked().get(name)
        if name not in sources:
            raise NotFound(f"no source {name[:100]!r} is configured{suggestion(name[:100], sources)}")
        if options is None:
            raise Problem(409, "not_possible", f"the source {name} has no `reconcile:`, which says whose list is asked")
        if since is not None:
            options = options.model_copy(update={"since": since})
        known_from = await self._gateway.store.note_places(name)
        run = begun(options, self._gateway.clock.ms(), known_from)
        if not await self._gateway.store.ask_for_reconciliation(name, run):
            raise Problem(409, "not_possible", f"a gateway is asking the vendor of {name} now")
        self._bell.ring()
        return f"the list since {_moment(run.since).isoformat(timespec='seconds')} is asked for now"

    async def close(self) -> None:
        """Stop at once: what was stored is noted, and the next gateway goes on there."""
        await end_tasks(self._task, *self._under_way.values())
        if self._task is not None:
            with contextlib.suppress(StoreError):
                await self._gateway.store.leave_reconciliations()

    async def _turn(self) -> None:
        if self._left:
            await self.look_once()
        else:
            await self._gateway.store.leave_reconciliations(dead=True)
            self._left = True

    async def look_once(self) -> None:
        """Begin, or go on with, what is due. Raises StoreError."""
        asked = self._asked()
        if not asked:
            return
        rows = await self._gateway.store.reconciliations()
        for name, options in asked.items():
            row = rows.get(name)
            if row is not None and row.ended_at is not None:
                self._gateway.metrics.reconcile_last.labels(name).set(row.ended_at / 1000)
            if (task := self._under_way.get(name)) is not None and not task.done():
                continue
            if self._is_due(row, options):
                self._under_way[name] = asyncio.create_task(self._carefully(name), name=f"reconcile {name}")

    def _is_due(self, row: ReconciliationRow | None, options: Reconcile) -> bool:
        if row is None:
            return options.every is not None
        if not row.is_free(self._gateway.store.owner):
            return False
        if options.every is None:  # only what somebody asked for
            return row.run is not None and row.is_due(RETRY_WAIT_MAX)
        return row.is_due(options.every)

    def _asked(self) -> Mapping[str, Reconcile]:
        """The sources whose vendor is asked, by the configuration that runs now."""
        loaded = self._gateway.loaded
        if self._read is not loaded:
            self._read, self._options = loaded, asked_sources(loaded)
        return self._options

    async def until_idle(self) -> None:
        """Until what is under way has ended; for tests."""
        await asyncio.gather(*self._under_way.values())

    # -- one source

    async def _carefully(self, name: str) -> None:
        try:
            await self._reconcile(name)
        except StoreError as error:  # its lease ends, and somebody goes on
            log.warning("reconcile_waits", source=name, error=str(error))
        except Exception:
            log.exception("reconcile_failed", source=name)

    async def _reconcile(self, name: str) -> None:
        store, clock = self._gateway.store, self._gateway.clock
        row = await store.lease_reconciliation(name)
        options = self._asked().get(name)
        if row is None or options is None:
            return
        every = options.every or RETRY_WAIT_MAX
        try:
            run = await self._while_leased(name, self._walk(name, options, row))
        except DeliveryFailed as error:
            await self._failed(name, row, error.detail, wait_after(row, error, every))
        except GatewayError as error:
            if isinstance(error, StoreError):
                raise
            await self._failed(name, row, str(error), every)
        except (Exception, asyncio.CancelledError) as error:  # a plugin's own bug
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            log.exception("reconcile_failed", source=name)
            await self._failed(name, row, f"{type(error).__name__}; the log says where", every)
        else:
            if run is None:
                log.info("reconcile_handed_over", source=name)
            elif (ended := await store.end_reconciliation(name, run, every)) is not None:
                self._gateway.metrics.reconcile_last.labels(name).set(clock.ms() / 1000)
                log.info("reconciled", source=name, listed=ended.looked, made=ended.made, better=ended.better,
                    unreadable=ended.problems, since=_moment(ended.since).isoformat())  # fmt: skip

    async def _failed(self, name: str, row: ReconciliationRow, error: str, wait: timedelta) -> None:
        self._gateway.metrics.reconcile_failures.labels(name).inc()
        log.warning(
            "reconcile_failed", source=name, error=error, again_in=wait.total_seconds(), failures=row.failures + 1
        )
        await self._gateway.store.fail_reconciliation(name, error, wait)

    async def _walk(self, name: str, options: Reconcile, row: ReconciliationRow) -> Run | None:
        """The run at its end; None: it was lost to another gateway, or its source is gone. Raises DeliveryFailed, StoreError."""
        gateway = self._gateway
        known_from = await gateway.store.note_places(name)
        run = row.run or begun(options, row.now, known_from)
        loaded, source = gateway.loaded, gateway.loaded.source(name)
        span = span_of(run)
        while run.since < run.until:
            if gateway.loaded is not loaded:  # another configuration runs now
                if name not in self._asked():
                    return None
                loaded, source = gateway.loaded, gateway.loaded.source(name)
            with own_code():
                page = await listed_page(source, gateway.http, span, run.next)
            rules = loaded.redactions.get(name)
            rows = new_events(source, page, span, gateway.decide, gateway.dispatcher.keeps_order, rules)
            if gateway.store.full():
                raise Retry("the store is over its limits (store.limits)", RETRY_WAIT_MIN)
            run = replace(
                run, next=page.next, looked=run.looked + len(rows), problems=run.problems + len(page.problems)
            )
            step = await gateway.store.reconcile_step(name, run, rows)
            if step is None:
                return None
            run = step.run
            self._report(name, page, len(rows), step.stored)
            if page.next is None:
                break
            await gateway.clock.sleep(options.calls.seconds / options.calls.count)
        return run

    def _report(self, name: str, page: ListedPage, listed: int, stored: Sequence[ListedStored]) -> None:
        counts = {"made": 0, "better": 0}
        for one in stored:
            counts["better" if one.accepted.supersedes else "made"] += 1
            self._gateway.own_stored(one.new.event, one)
        counts["known"] = listed - len(stored)
        counts["unreadable"] = len(page.problems)
        for result, count in counts.items():
            self._gateway.metrics.reconciled.labels(name, result).inc(count)
        for problem in page.problems[:PROBLEMS_SHOWN_MAX]:
            log.warning("listed_recording_unreadable", source=name, problem=problem)

    async def _while_leased(self, name: str, walk: Coroutine[object, object, Run | None]) -> Run | None:
        """What the walk gives. Its lease is kept meanwhile, however long a page or a rest takes; None: it was lost."""
        walking = asyncio.create_task(walk, name=f"list of {name}")
        keeping = tireless(f"lease of {name}", partial(self._keep_lease, name), self._gateway.clock)
        try:
            await asyncio.wait({walking, keeping}, return_when=asyncio.FIRST_COMPLETED)
            return await walking if walking.done() else None
        finally:
            walking.cancel()
            await asyncio.wait({walking})
            await end_tasks(keeping)

    async def _keep_lease(self, name: str) -> None:
        """Until another gateway has it."""
        while True:
            await self._gateway.clock.sleep(RENEW_SECONDS)
            if await self._gateway.store.lease_reconciliation(name) is None:
                return


def asked_sources(loaded: Loaded) -> Mapping[str, Reconcile]:
    """The sources that have a `reconcile:`, by name."""
    sources = {name: loaded.source(name).reconcile for name in loaded.settings.sources}
    return {name: options for name, options in sources.items() if options is not None}


def begun(options: Reconcile, now: int, known_from: int) -> Run:
    """A run that begins at `now` (ms), and asks for nothing from before `known_from`."""
    since = now - round(options.since.total_seconds() * 1000)
    until = now - round(options.after.total_seconds() * 1000)
    return Run(began=now, since=max(since, known_from), until=until)


def span_of(run: Run) -> ListSpan:
    """The time that a run asks for."""
    return ListSpan(_moment(run.since), _moment(run.until))


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
