"""One sink's gate as all gateways on the store see it: paused by a person, or its circuit open until a probe succeeds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING

from gateway.dispatch.attempt import AttemptResult
from gateway.dispatch.circuit import Circuit, open_seconds
from gateway.dispatch.outcome import describe
from gateway.dispatch.retry_after import seconds
from gateway.dispatch.store_clock import StoreClock
from gateway.errors import StoreError, Unavailable
from gateway.runtime.lean_imports import import_structlog
from gateway.store.records import Gate
from gateway.store.store import Store

if TYPE_CHECKING:
    from prometheus_client import Gauge

log = import_structlog().get_logger("gateway.dispatcher")


class Breaker:
    """Opens and closes the circuit of one sink. `longest` (seconds) bounds what a target may ask for."""

    def __init__(
        self,
        sink: str,
        store: Store,
        clock: StoreClock,
        rng: Random,
        gauge: Gauge,
        longest: float,
        changed: Callable[[Gate], object] = lambda _: None,
    ) -> None:
        self._sink = sink
        self._store = store
        self._clock = clock
        self._rng = rng
        self._gauge = gauge
        self._longest = longest
        self._changed = changed  # called when it opens or closes, is paused or goes on
        self._circuit = Circuit()
        self.version = 0  # of our own changes: what the store said before the latest is not heard
        self.gate = Gate(sink=sink)
        self._seen_at = clock.ms()
        gauge.set(0)

    # -- looking

    @property
    def open(self) -> bool:
        """Whether the circuit is open."""
        return self.gate.open_until is not None

    @property
    def shut(self) -> bool:
        """Whether nothing may go: paused, or the circuit is open."""
        gate = self.gate
        return gate.paused or gate.open_until is not None

    def opens_in(self) -> float:
        """Seconds until a probe may be made, while the circuit is open."""
        return ((self.gate.open_until or 0) - self._clock.ms()) / 1000

    def stalled(self, now: int) -> int:
        """Milliseconds this sink ever stood still, as of `now`."""
        return self.gate.stalled + (max(now - self._seen_at, 0) if self.shut else 0)

    def see(self, gate: Gate | None, version: int) -> None:
        """What the store said when it was asked at `version`; None: it has no row for this sink."""
        if version == self.version:
            self._adopt_gate(gate or Gate(sink=self._sink))

    # -- changing

    def note(self, delivery: int, result: AttemptResult) -> bool:
        """Take in one attempt; True: the circuit is to be opened, see `trip`."""
        return self._circuit.note(delivery, result) and not self.open

    def trip(self, result: AttemptResult) -> Awaitable[None]:
        """Open the circuit: here with this call, for all gateways when the result was awaited.

        Nothing begins here any more, even if the store cannot be told.
        """
        length, reason = self._length(result), describe(result)
        now = self._clock.ms()
        self._circuit.reset()
        self.version += 1
        self._adopt_gate(
            self.gate.replace(
                open_until=now + length,
                reason=reason,
                stalled=self.stalled(now),
                pauses=self.gate.pauses + 1,
            )
        )
        log.warning("circuit_opened", sink=self._sink, reason=reason, seconds=length / 1000)
        return self._write_trip(length, reason)

    async def _write_trip(self, length: int, reason: str) -> None:
        try:
            self._adopt_gate(await self._store.trip(self._sink, length, reason))
        except StoreError as error:
            log.warning("circuit_not_written", sink=self._sink, error=str(error))
        finally:
            self.version += 1

    async def probe(self, lease: int) -> int | None:
        """The mark of a probe for `lease` ms; None: not now, or another gateway is at it."""
        return await self._store.probe(self._sink, lease)

    async def probed(self, mark: int, result: AttemptResult, *, good: bool) -> None:
        """The probe ended: close the circuit, or leave the sink alone for longer."""
        now = self._clock.ms()
        stalled = self.stalled(now)
        self._circuit.reset()
        if good:
            gate = Gate(sink=self._sink, paused=self.gate.paused, stalled=stalled)
            length, reason = 0, ""
            log.info("circuit_closed", sink=self._sink)
        else:
            length, reason = self._length(result), describe(result)
            gate = self.gate.replace(
                open_until=now + length, pauses=self.gate.pauses + 1, reason=reason, stalled=stalled
            )
            log.warning("circuit_still_open", sink=self._sink, reason=reason, seconds=length / 1000)
        self.version += 1
        self._adopt_gate(gate)
        try:
            await self._store.probed(self._sink, mark, good=good, pause=length, reason=reason)
        except StoreError as error:
            log.warning("circuit_not_written", sink=self._sink, error=str(error))
        finally:
            self.version += 1

    def _adopt_gate(self, gate: Gate) -> None:
        before, self.gate = self.gate, gate
        if (before.paused, before.open_until is None) != (gate.paused, gate.open_until is None):
            self._changed(gate)
        self._seen_at = self._clock.ms()
        self._gauge.set(1 if gate.open_until is not None else 0)

    def _length(self, result: AttemptResult) -> int:
        """Milliseconds for which it stays open next."""
        after = result.after if isinstance(result, Unavailable) else None
        least = min(seconds(after), self._longest)
        return round(open_seconds(self.gate.pauses, self._rng, least=least) * 1000)
