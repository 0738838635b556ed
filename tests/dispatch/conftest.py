"""What the dispatcher's tests share: a clock that stands still, scripted sinks, a real store, and patience."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pluggy
import pytest
import structlog

from gateway.assembly import delivery_policy
from gateway.config.grammar.settings import DeliverySettings
from gateway.dispatch.attempt import Carrier
from gateway.dispatch.dispatcher import Dispatcher
from gateway.dispatch.lane import Lane
from gateway.dispatch.policy import DeliveryPolicy
from gateway.events.cloudevents import fingerprint, to_json
from gateway.model import FILE_COMPLETED, Delivery, Event, event_id
from gateway.plugin import Options, Sink, hookspecs
from gateway.routing import RoutingDecision
from gateway.runtime.clock import FrozenClock
from gateway.runtime.metrics import Metrics
from gateway.store.records import Accepted, NewDelivery, NewEvent
from gateway.store.store import Store
from tests.patience import PATIENCE_S
from tests.ready_stores import file_at

Script = Callable[[Delivery], Awaitable[str | None]]


class Scripted(Sink):
    """A sink that does what the test says, and remembers what it was given."""

    type = "scripted"

    def __init__(self, name: str = "app", script: Script | None = None) -> None:
        super().__init__(name, Options(), http=None, log=structlog.get_logger())  # type: ignore[arg-type]
        self.script = script
        self.seen: list[Delivery] = []
        self.under_way = 0  # calls that have not come back
        self.opened = 0
        self.closed = 0

    @property
    def ids(self) -> list[str]:
        return [delivery.event.id for delivery in self.seen]

    async def open(self) -> None:
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    async def deliver(self, delivery: Delivery) -> str | None:
        self.seen.append(delivery)
        self.under_way += 1
        try:
            return None if self.script is None else await self.script(delivery)
        finally:
            self.under_way -= 1


class Batching(Scripted):
    """The same with `deliver_batch`; `batches` are the events of each call."""

    type = "batching"

    def __init__(self, name: str = "app", script: Script | None = None) -> None:
        super().__init__(name, script)
        self.batches: list[list[str]] = []
        self.together: Callable[[Sequence[Delivery]], Awaitable[Sequence[Any]]] | None = None

    async def deliver(self, delivery: Delivery) -> str | None:
        self.batches.append([delivery.event.id])
        return await super().deliver(delivery)

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[str | None | Exception]:
        self.batches.append([delivery.event.id for delivery in deliveries])
        self.seen.extend(deliveries)
        self.under_way += 1
        try:
            return ["ok"] * len(deliveries) if self.together is None else await self.together(deliveries)
        finally:
            self.under_way -= 1


def raising(error: BaseException | Callable[[], BaseException]) -> Script:
    async def script(delivery: Delivery) -> str | None:
        raise error() if callable(error) else error

    return script


async def forever(delivery: Delivery) -> str | None:
    await asyncio.Event().wait()
    return None


def manager(*plugins: object) -> pluggy.PluginManager:
    made = pluggy.PluginManager(hookspecs.PROJECT)
    made.add_hookspecs(hookspecs)
    made.register(Carrier(), "gateway")
    for plugin in plugins:
        made.register(plugin)
    return made


def policy(**options: Any) -> DeliveryPolicy:
    """The defaults with these in their place, written as in the configuration file."""
    return delivery_policy(DeliverySettings(**options))


def event(number: int, *, type: str = FILE_COMPLETED, stream: str = "main", at: datetime | None = None) -> Event:
    return Event(
        id=event_id("live", type, "push.example.com", "live", stream, None, [number]),
        type=type,
        source="live",
        provider="test",
        domain="push.example.com",
        app="live",
        stream=stream,
        received_at=at or FrozenClock().now(),
        raw=b"{}",
    )


CALM_ROUNDS_MAX = 100  # of looks whether somebody still works: a sink may hang, a store may be gone


async def turns(count: int = 20) -> None:
    """Let everybody who can go on do so, for so many turns of the loop at most."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    for _ in range(count):
        await asyncio.sleep(0)
        if not ready:  # nobody can: further turns were most of the work of all tests here
            return


class House:
    """A store, sinks and a dispatcher, put together as `gateway.app` does."""

    STORE = Store

    def __init__(
        self, url: str, *sinks: Sink, clock: FrozenClock | None = None, plugins: Sequence[object] = (), **options: Any
    ) -> None:
        self.clock = clock or FrozenClock()
        self.metrics = Metrics()
        self.sinks = {sink.name: sink for sink in sinks}
        self.manager = manager(*plugins)
        self.policies = {name: options.get(name) or policy(**options.get("delivery", {})) for name in self.sinks}
        self.store = self.STORE(url, clock=options.get("store_clock") or self.clock, owner=options.get("owner", "test"))
        self._asked: set[asyncio.Future[Any]] = set()  # of the store, and not answered
        for thread, name in ((self.store._writer, "enqueue"), (self.store._backend.reader, "ask")):
            setattr(thread, name, self._noted(getattr(thread, name)))
        self.decide: Callable[[Event], RoutingDecision] | None = options.get("decide")
        self.followed: list[Event] = []
        self.dispatcher = self._dispatcher()
        self.dropped = False
        self.file = url.removeprefix("sqlite:///")
        self.numbers = itertools.count(1000)

    def _noted(self, ask: Callable[..., asyncio.Future[Any]]) -> Callable[..., asyncio.Future[Any]]:
        def noted(*args: Any) -> asyncio.Future[Any]:
            answer = ask(*args)
            self._asked.add(answer)
            answer.add_done_callback(self._asked.discard)
            return answer

        return noted

    def _dispatcher(self) -> Dispatcher:
        return Dispatcher(
            store=self.store,
            hook=self.manager.hook,
            sinks=self.sinks,
            policies=self.policies,
            clock=self.clock,
            metrics=self.metrics,
            rng=Random(1),
            decide=self.decide,
            followed=lambda follow_ups, _: self.followed.extend(new.event for new in follow_ups.events),
        )

    async def open(self) -> House:
        await self.store.open(lock_wait=5.0)
        await self.store.serving(list(self.sinks))
        await self.dispatcher.open()
        self.store.listen(self.dispatcher.wake)
        return self

    async def close(self, grace: float = 0.5) -> None:
        if self.dropped:
            return
        await self.dispatcher.close(grace)
        await self.store.close()

    async def drop(self) -> None:
        """As after kill -9: the dispatcher is gone with what it had in hand; only its rows remain."""
        for lane in self.dispatcher.lanes.values():
            lane.workers.ending = True  # else each that is cancelled is replaced, and outlives the test
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()
        await turns()
        self.dropped = True
        await self.store.close()

    # -- the door

    async def put(self, *events: Event, to: Sequence[str] | None = None, reserve: bool = True) -> Sequence[Accepted]:
        """Accept events as the intake does; without `reserve` they are left waiting for a claim, and nobody is told."""
        new, reserved = [], []
        for one in events:
            wanted = []
            for sink in to or list(self.sinks):
                key = one.subject or None if self.dispatcher.keeps_order(sink) else None
                lease = self.dispatcher.reserve(sink) if reserve else None
                if lease is not None:
                    reserved.append(sink)
                wanted.append(NewDelivery(sink=sink, order_key=key, lease=lease))
            new.append(
                NewEvent(
                    event=one, body=to_json(one), fingerprint=fingerprint(one), routing="[]", deliveries=tuple(wanted)
                )
            )
        accepted = await self.store.accept(new)
        for taken, one in zip(accepted, events, strict=True):
            for given in taken.leases:
                reserved.remove(given.sink)
                self.dispatcher.hand_over(given)
            for sink in taken.waiting if reserve else ():
                self.dispatcher.wake(sink, urgent=one.type == "recording.failed")
        for sink in reserved:
            self.dispatcher.unreserve(sink)
        return accepted

    async def put_reserved(self, one: Event, lease: int, sink: str = "app") -> Sequence[Accepted]:
        """Accept for a reservation made earlier; the caller hands over."""
        wanted = (NewDelivery(sink=sink, lease=lease),)
        new = NewEvent(event=one, body=to_json(one), fingerprint=fingerprint(one), routing="[]", deliveries=wanted)
        return await self.store.accept([new])

    async def fill(self, count: int, *, batch: int = 500, **kw: Any) -> list[str]:
        """`count` events left waiting in the store, at once."""
        ids = []
        while len(ids) < count:
            some = [event(next(self.numbers), at=self.clock.now()) for _ in range(min(batch, count - len(ids)))]
            await self.put(*some, reserve=False, **kw)
            ids += [one.id for one in some]
        return ids

    # -- time

    async def later(self, seconds: float, *, step: float = 1.0) -> None:
        """Let this much time pass, with the polls that belong to it."""
        left = seconds
        while left > 0:
            self.clock.advance(min(step, left))
            left -= step
            await self.calm()

    async def calm(self) -> None:
        """Until nobody has work that does not wait for time: the store's threads are idle and the lanes quiet.

        The store is asked for nothing then, and a lane is quiet when its claimer waits for the bell, and its workers for
        work or for what the sink says.
        """
        await turns(5)
        await self.store.ping()  # its writer looks at the clock with each commit
        for _ in range(CALM_ROUNDS_MAX):
            await turns(10)
            if self._asked:
                await asyncio.wait(self._asked, timeout=1)
            elif self._busy():
                await self.store.ping()
            else:
                return

    def _busy(self) -> bool:
        return bool(self.dispatcher._settler.pending) or any(map(self._turns, self.dispatcher.lanes.values()))

    def _turns(self, lane: Lane) -> bool:
        bell, claims = lane.claimer._bell, lane.claimer._task
        if bell.is_set() or (claims is not None and not claims.done() and not bell._waiters):
            return True
        answered = len(lane.workers._busy) - lane.sink.under_way if isinstance(lane.sink, Scripted) else 0
        return bool(lane.workers._waiting) or answered > 0

    # -- what is written

    def rows(self, columns: str = "state", where: str = "1 = 1") -> list[Any]:
        """Deliveries as the file holds them, by id; one column is given bare."""
        return self._read(f"SELECT {columns} FROM deliveries WHERE {where} ORDER BY id")

    def attempts(self, columns: str = "outcome", where: str = "1 = 1") -> list[Any]:
        """Attempts in the order of their deliveries and tokens."""
        return self._read(f"SELECT {columns} FROM attempts WHERE {where} ORDER BY delivery, token")

    def events(self, columns: str = "id") -> list[Any]:
        """Events in the order they were stored."""
        return self._read(f"SELECT {columns} FROM events ORDER BY seq")

    def gate(self, sink: str = "app") -> Any:
        (row,) = self._read(f"SELECT open_until, pauses, paused_at, reason FROM sinks WHERE name = '{sink}'")
        return row

    def _read(self, query: str) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self.file, timeout=PATIENCE_S)) as connection:
            found = connection.execute(query).fetchall()
        return [row[0] if len(row) == 1 else row for row in found]

    def write(self, statement: str) -> None:
        """What the command line does beside a running gateway."""
        with contextlib.closing(sqlite3.connect(self.file, timeout=PATIENCE_S)) as connection, connection:
            connection.execute(statement)

    def counted(self, sink: str, outcome: str) -> float:
        return (
            self.metrics.registry.get_sample_value(
                "recording_gateway_deliveries_total", {"sink": sink, "outcome": outcome}
            )
            or 0.0
        )

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"recording_gateway_{name}", labels)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Log lines go nowhere, and tracebacks are not rendered; `capture_logs` sees them all the same."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[lambda *given: ""])
    yield
    structlog.reset_defaults()


Build = Callable[..., Awaitable[House]]


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Build]:
    """Make and open a House on an empty SQLite store; it is closed after the test."""
    made: list[House] = []
    url = file_at(tmp_path / "gateway.db")

    async def make(*sinks: Sink, **options: Any) -> House:
        house = House(options.pop("url", url), *sinks, **options)
        made.append(house)
        await house.open()
        await house.calm()
        return house

    yield make
    for house in made:
        await house.close(0.05)


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'gateway.db'}"
