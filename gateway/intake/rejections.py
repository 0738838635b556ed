"""What was refused at the door: counted always, logged and kept within a rate, so that a flood costs little."""

from __future__ import annotations

import structlog

from gateway.errors import Problem
from gateway.plugin import Callback
from gateway.runtime.clock import Clock
from gateway.runtime.harmless import harmless
from gateway.runtime.metrics import BoundedLabel, Metrics
from gateway.store.records import Refusal
from gateway.store.store import Store

log = structlog.get_logger("gateway.refusals")

KEPT_PER_SECOND = 10.0  # refused callbacks kept and logged, of each source; more are only counted
BURST = 50.0
BODY_LIMIT = 64 * 1024  # a longer body is not kept, so it cannot be tried again


class Refusals:
    """Remembers refusals for people. `keep` is for callbacks that could be read, `count` for everything else."""

    def __init__(self, *, store: Store, metrics: Metrics, clock: Clock) -> None:
        self._store = store
        self._metrics = metrics
        self._codes = BoundedLabel()
        self._clock = clock
        self._allowance: dict[str, tuple[float, float]] = {}
        self._silenced: dict[str, int] = {}

    @harmless
    def keep(self, source: str, problem: Problem, callback: Callback) -> None:
        """Count it, and within the rate log it and store it with the vendor's bytes."""
        self.count(source, problem)
        if not self._within_rate(source):
            self._silenced[source] = self._silenced.get(source, 0) + 1
            return
        log.warning(
            "callback_refused",
            source=source,
            code=problem.code,
            detail=problem.detail,
            peer=callback.peer,
            size=len(callback.body),
            also_refused=self._silenced.pop(source, 0),
        )
        self._store.refuse(
            Refusal(
                source=source,
                code=problem.code,
                detail=problem.detail[:500],
                received_at=round(callback.received_at.timestamp() * 1000),
                method=callback.method,
                path=callback.path,
                headers=tuple(callback.headers.items()),
                body=callback.body if len(callback.body) <= BODY_LIMIT else b"",
                size=len(callback.body),
                peer=callback.peer,
            )
        )

    @harmless
    def count(self, source: str | None, problem: Problem) -> None:
        """Only count it. `source` None: the path named none."""
        name = source or ""
        self._metrics.refused.labels(name, self._codes(problem.code)).inc()
        self._metrics.callbacks.labels(name, "refused").inc()

    def _within_rate(self, source: str) -> bool:
        now = self._clock.monotonic()
        tokens, at = self._allowance.get(source, (BURST, now))
        tokens = min(BURST, tokens + (now - at) * KEPT_PER_SECOND)
        allowed = tokens >= 1.0
        self._allowance[source] = (tokens - 1.0 if allowed else tokens, now)
        return allowed
