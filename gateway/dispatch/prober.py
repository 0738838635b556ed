"""Opens a sink, and tries a broken one again: one delivery at a time, past its open circuit."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from gateway.dispatch.attempt import AttemptResult, Nonsense, bounded
from gateway.dispatch.breaker import Breaker
from gateway.dispatch.circuit import answered, open_seconds
from gateway.dispatch.lane_context import Shared
from gateway.dispatch.leased_delivery import Dispatch, LeasedDelivery
from gateway.dispatch.outcome import describe
from gateway.errors import DeliveryFailed
from gateway.plugin import Sink
from gateway.runtime.lean_imports import import_structlog

log = import_structlog().get_logger("gateway.dispatcher")

AVOIDED_MAX: Final = 1000
PROBE_RETRY_SECONDS: Final = 1.0  # seconds until the next look when somebody else probes


class Prober:
    """One sink's. `lease` in ms bounds a probe, `timeout` in seconds the sink's `open`; it is not `needed` where each owner has
    a sink of his own, which may be well when this one is not."""

    def __init__(
        self, sink: Sink, breaker: Breaker, shared: Shared, *, lease: int, timeout: float, needed: bool = True
    ) -> None:
        self._sink = sink
        self._breaker = breaker
        self._shared = shared
        self._lease = lease
        self._timeout = timeout
        self._avoided: set[int] = set()
        self._failures = 0
        self._alone_after = 0.0  # monotonic seconds
        self._needed = needed
        self.opened = False  # so far that deliveries may go
        self.sink_opened = False
        self.opening = False
        self.mark: int | None = None  # of the probe that is on its way

    async def open(self) -> None:
        """Open the sink; one that fails starts with its circuit open."""
        failure = await self._try_to_open()
        if failure is not None and not self._breaker.open:
            await self._breaker.trip(failure)

    async def open_first(self) -> AttemptResult:
        """Open the sink before its lane starts; what it failed with, and the circuit is left alone."""
        return await self._try_to_open()

    async def next(self, running: Collection[int], *, rows: bool) -> tuple[Dispatch | None, float | None]:
        """A delivery to probe with, and else the seconds after which to ask again (None: when something changes).

        `rows` says whether the store is believed to have any. A sink that never opened is opened first, whether there
        are deliveries or not.
        """
        breaker = self._breaker
        if breaker.gate.paused or self.mark is not None or (self.opened and not rows):
            return None, None
        if breaker.open and (wait := breaker.opens_in()) > 0:
            return None, wait
        if not breaker.open:  # another gateway closed it, but this one's sink is not open yet
            return None, await self._open_alone()
        mark = await breaker.probe(self._lease)
        if mark is None:
            return None, PROBE_RETRY_SECONDS
        opened_now = not self.opened
        if (failure := await self._try_to_open()) is not None:
            await breaker.probed(mark, failure, good=False)
            return None, breaker.opens_in()
        member = await self._claim(running) if rows else None
        if member is None:
            # without a delivery to try it with, only a sink that has just opened is known to be mended
            nothing = Nonsense(breaker.gate.reason or "nothing to try it with")
            await breaker.probed(mark, nothing, good=opened_now)
            return None, None
        self.mark = mark
        return Dispatch([member], probe=mark), None

    async def ended(self, dispatch: Dispatch, result: AttemptResult) -> None:
        """The probe was carried. Whoever failed is not asked again until the others were: it may be the event's fault."""
        mark, self.mark = self.mark, None
        if mark is None or mark != dispatch.probe:
            return
        good = answered(result)
        if good:
            self._avoided.clear()
        else:
            self._avoided.add(dispatch.first.lease.delivery)
        await self._breaker.probed(mark, result, good=good)

    def dropped(self, dispatch: Dispatch) -> None:
        """The probe was given back before it began; its right ends by itself."""
        if dispatch.probe is not None and dispatch.probe == self.mark:
            self.mark = None

    async def _open_alone(self) -> float | None:
        """Open the sink without a word to the others; the seconds until that is tried again."""
        wait = self._alone_after - self._shared.clock.monotonic()
        if wait <= 0:
            if await self._try_to_open() is None:
                return None
            wait = open_seconds(self._failures, self._shared.rng)
            self._alone_after = self._shared.clock.monotonic() + wait
        return wait

    async def _claim(self, running: Collection[int]) -> LeasedDelivery | None:
        if len(self._avoided) > AVOIDED_MAX:
            self._avoided.clear()
        store, clock, name = self._shared.store, self._shared.clock, self._sink.name
        asked = clock.monotonic()
        leases = await store.claim(name, 1, self._lease, running=(*running, *self._avoided), probe=True)
        if not leases and self._avoided:
            self._avoided.clear()
            leases = await store.claim(name, 1, self._lease, running=tuple(running), probe=True)
        return LeasedDelivery(leases[0], asked + self._lease / 1000) if leases else None

    async def _try_to_open(self) -> AttemptResult:
        if self.opened:
            return None
        self.opening = True
        try:
            failure = await bounded(self._sink.open, self._timeout)
        finally:
            self.opening = False
        if isinstance(failure, BaseException):
            self._failures += 1
            log.warning(
                "sink_not_opened",
                sink=self._sink.name,
                plugin=self._sink.origin,
                error=describe(failure),
                exc_info=None if isinstance(failure, DeliveryFailed) else failure,
            )
            self.opened = not self._needed
            return failure if self._needed else None
        self.opened = self.sink_opened = True
        return None
