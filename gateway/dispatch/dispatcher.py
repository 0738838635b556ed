"""Carries what the store holds: a lane per sink that claims, delivers, decides and settles."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import Final

from gateway.dispatch.attempt import bounded
from gateway.dispatch.follow_ups import FollowUpMaker, FollowUps
from gateway.dispatch.lane import Lane
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.outcome import describe
from gateway.dispatch.policy import DeliveryPolicy
from gateway.dispatch.poll import LanePoll
from gateway.dispatch.settler import Settler
from gateway.dispatch.shared_rate import SharedRates
from gateway.dispatch.store_clock import StoreClock
from gateway.errors import SinkNotOpened, StoreError
from gateway.model import Event
from gateway.plugin import Sink
from gateway.plugin.hooks import Hooks, Watchers, WatchThreads
from gateway.routing import RoutingDecision
from gateway.runtime.background import end_tasks
from gateway.runtime.clock import Clock
from gateway.runtime.duty import Duties
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.metrics import Metrics
from gateway.runtime.traces import OFF, Traces
from gateway.store.records import Accepted, Lease
from gateway.store.store import Store

log = import_structlog().get_logger("gateway.dispatcher")

SINKS_OPEN_SECONDS: Final = 0.5  # seconds the start waits for sinks to open; slower ones open behind it
LAST_WRITES_SECONDS: Final = 5.0  # seconds for the last outcomes
SINK_CLOSE_SECONDS: Final = 5.0  # seconds for a sink's close
_AS_THEY_ARE: Final[Mapping[str, DeliveryPolicy]] = {}


class Dispatcher:
    """One per gateway. Everything is called from the event loop."""

    def __init__(
        self,
        *,
        store: Store,
        hook: Hooks,
        sinks: Mapping[str, Sink],
        policies: Mapping[str, DeliveryPolicy],
        clock: Clock,
        metrics: Metrics,
        rng: Random | None = None,
        threads: WatchThreads | None = None,
        traces: Traces = OFF,
        decide: Callable[[Event], RoutingDecision] | None = None,
        redact: Callable[[Event], Event] | None = None,
        followed: Callable[[FollowUps, Sequence[Accepted]], None] = lambda _given, _accepted: None,
        duties: Duties | None = None,
    ) -> None:
        """`policies` has one entry a sink; `rng` is the source of all jitter; `threads` call the plugins that watch;
        `traces` make a span of each attempt. `decide` routes what follows on a delivery (None: it goes nowhere), and
        `followed` hears of it after its commit."""
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._rng = rng or Random()  # noqa: S311  jitter, not a secret
        self._store_clock = StoreClock(clock)
        self._settler = Settler(store, clock, self._rng)
        self._shared = Shared(
            store=store,
            hook=hook,
            clock=clock,
            store_clock=self._store_clock,
            metrics=metrics,
            settler=self._settler,
            watchers=Watchers(hook, "attempt_finished", threads),
            rng=self._rng,
            traces=traces,
            follow_ups=FollowUpMaker(decide=decide, keeps_order=self.keeps_order, redact=redact),
            followed=followed,
        )
        self.lanes: Mapping[str, Lane] = {
            name: lane_of(sink, policies[name], self._shared) for name, sink in sinks.items()
        }
        self._duties = duties or Duties(clock)
        self._rates = SharedRates(store, clock, lambda: self.lanes)
        self._poll = LanePoll(store, clock, self._store_clock, metrics, self._rng, lambda: self.lanes)
        self._polls: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.Task[None]] = []
        self._retiring: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Open every sink (one that fails starts with its circuit open), start the lanes and the poll.

        Raises StoreError. Returns at the latest half a second later: a sink that hangs while it opens delays no other.
        """
        self._tell_groups()
        gates = await self._store.gates()
        for name, lane in self.lanes.items():
            lane.breaker.see(gates.get(name), lane.breaker.version)
            self._rates.enrol(lane)
        self._writers = self._settler.start()
        self._polls = [*await self._rates.start(self._duties), *self._poll.start(self._duties)]
        openings = []
        for lane in self.lanes.values():
            lane.start()
            openings.append(asyncio.create_task(lane.opened.wait()))
        if openings:
            _, late = await asyncio.wait(openings, timeout=SINKS_OPEN_SECONDS)
            for opening in late:
                opening.cancel()

    async def close(self, grace: float) -> None:
        """Stop claiming, let what is being sent end within `grace` seconds, release what has not begun, close sinks (5 s each)."""
        if not self._writers:
            return
        for poll in self._polls:
            poll.cancel()
        await self._poll.erasures.close()
        with contextlib.suppress(StoreError):
            # first, because whoever is waited for may be killed with us: what is left in flight then is no loss
            self._store.disown().add_done_callback(_heard)
        await asyncio.gather(*(lane.stop(grace) for lane in self.lanes.values()))
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=grace)
        if not await self._settler.drained(LAST_WRITES_SECONDS):
            log.error("outcomes_not_written", pending=self._settler.pending)  # their leases end by themselves
        await self._rates.leave()
        await end_tasks(*self._polls, *self._writers)
        await asyncio.gather(*(self._close_sink(lane.sink) for lane in self.lanes.values()))
        for retiring in self._retiring:
            retiring.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        self._polls, self._writers = [], []

    # -- another configuration

    async def prepare(self, sinks: Mapping[str, Sink], policies: Mapping[str, DeliveryPolicy]) -> Mapping[str, Lane]:
        """Lanes for these new sinks, each opened within its timeout. Raises what the first that fails raised; none stays open."""
        lanes = {name: lane_of(sink, policies[name], self._shared) for name, sink in sinks.items()}
        failures = await asyncio.gather(*(lane.prober.open_first() for lane in lanes.values()))
        failed = [(name, failure) for name, failure in zip(lanes, failures, strict=True) if failure is not None]
        if failed:
            await self.discard(lanes)
            name, failure = failed[0]
            raise SinkNotOpened(f"the sink {name} cannot be opened: {describe(failure)}")
        gates = await self._store.gates()
        for name, lane in lanes.items():
            lane.breaker.see(gates.get(name), lane.breaker.version)
            self._rates.enrol(lane)
        return lanes

    async def discard(self, lanes: Mapping[str, Lane]) -> None:
        """Prepared lanes are not wanted after all."""
        await asyncio.gather(*(self._close_sink(lane.sink) for lane in lanes.values() if lane.prober.opened))

    def swap(
        self,
        lanes: Mapping[str, Lane],
        kept: Collection[str],
        grace: float,
        policies: Mapping[str, DeliveryPolicy] = _AS_THEY_ARE,
    ) -> None:
        """From now on these prepared lanes carry, beside those of `kept`, whose tables of owners may be others by `policies`;
        all others end within `grace` seconds behind."""
        leaving = [lane for name, lane in self.lanes.items() if name not in kept]
        self.lanes = {**{name: self.lanes[name] for name in kept}, **lanes}
        self._tell_groups()
        for name in policies.keys() & set(kept):
            self.lanes[name].see_owners(policies[name].owners)
        for lane in lanes.values():
            lane.start()
        for lane in leaving:
            retiring = asyncio.create_task(self._retire(lane, grace), name=f"lane {lane.sink.name}: retiring")
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)

    def _tell_groups(self) -> None:
        batches = {name: lane.policy.batch for name, lane in self.lanes.items()}
        self._store.group_by({name: batch.group_by for name, batch in batches.items() if batch and batch.group_by})

    async def _retire(self, lane: Lane, grace: float) -> None:
        await lane.stop(grace)
        await self._close_sink(lane.sink)
        if lane.sink.name not in self.lanes:
            self._metrics.circuit_open.labels(lane.sink.name).set(0)
        log.info("sink_retired", sink=lane.sink.name)

    @property
    def busy(self) -> Sequence[str]:
        """The sinks that are being opened, carry something, wait for its outcome to be written, or let go of something."""
        letting_go = self._poll.erasures.busy
        return [
            name for name, lane in self.lanes.items() if lane.occupied or not lane.opened.is_set() or name in letting_go
        ]

    @property
    def retiring(self) -> int:
        """Lanes that a reload took away and that have not ended yet."""
        return len(self._retiring)

    # -- what intake says

    def reserve(self, sink: str) -> int | None:
        """The lease (ms) if this sink's lane takes one fresh delivery at once, else None. Pair with hand_over or unreserve.

        Whether its stream has an older one on its way is the store's to know: such a delivery comes back as waiting.
        """
        lane = self.lanes.get(sink)
        return None if lane is None else lane.reserve()

    def unreserve(self, sink: str) -> None:
        """The reservation was not used: the commit failed, or the row was left waiting."""
        if (lane := self.lanes.get(sink)) is not None:  # else a reload took it away meanwhile
            lane.unreserve()

    def hand_over(self, lease: Lease) -> None:
        """A reserved delivery, committed and leased."""
        lane = self.lanes.get(lease.sink)
        if lane is None:  # a reload took it away meanwhile: it waits until the sink comes back
            with contextlib.suppress(StoreError):  # else its lease ends by itself
                self._store.release([(lease.delivery, lease.token)]).add_done_callback(_heard)
        else:
            lane.hand_over(lease)

    def wake(self, sink: str, urgent: bool = False) -> None:
        """Rows of this sink were left waiting. `urgent`: a batch's window does not hold it back (recording.failed)."""
        lane = self.lanes.get(sink)
        if lane is not None:  # else another gateway's, or no longer configured
            lane.wake(urgent=urgent)

    def keeps_order(self, sink: str) -> bool:
        """Whether this sink has `order: stream`."""
        lane = self.lanes.get(sink)
        return lane is not None and lane.policy.order == "stream"

    async def _close_sink(self, sink: Sink) -> None:
        failure = await bounded(sink.close, SINK_CLOSE_SECONDS)
        if isinstance(failure, BaseException):
            log.warning("sink_not_closed", sink=sink.name, error=describe(failure))


def _heard(done: asyncio.Future[None]) -> None:
    """Nobody waits for it: a store that failed meanwhile has said so."""
    if not done.cancelled():
        done.exception()


def lane_of(sink: Sink, policy: DeliveryPolicy, shared: Shared) -> Lane:
    """A lane that calls the sink, or one that consumers fetch from."""
    if not sink.pulled:
        return Lane(sink, policy, shared)
    from gateway.dispatch.pulled_lane import PulledLane  # because most gateways have none

    return PulledLane(sink, policy, shared)
