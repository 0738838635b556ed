"""What was refused at the listener: counted always, logged and kept within a rate, so that a flood costs little."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.errors import Problem
from gateway.intake.near_path import near_path
from gateway.plugin import Callback
from gateway.runtime.clock import Clock
from gateway.runtime.failure_shield import harmless
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.metrics import BoundedLabel, Metrics
from gateway.runtime.sliding_window import SlidingWindow
from gateway.runtime.traces import log_fields
from gateway.store.records import Refusal
from gateway.store.store import Store

log = import_structlog().get_logger("gateway.refusals")

KEPT_MAX = 50  # refused callbacks kept and logged, of each source, in KEPT_SECONDS; more are only counted
KEPT_SECONDS = 5.0
PATH_CHARS_MAX = 300  # characters
BODY_BYTES_MAX = 64 * 1024  # a longer body is not kept, so it cannot be tried again


class Refusals:
    """Remembers refusals for people. `keep` is for callbacks that could be read, `count` for everything else."""

    def __init__(self, *, store: Store, metrics: Metrics, clock: Clock) -> None:
        self._store = store
        self._metrics = metrics
        self._codes = BoundedLabel()
        self._clock = clock
        self._kept: dict[tuple[str, bool], SlidingWindow] = {}
        self._silenced: dict[str, int] = {}

    @harmless
    def keep(self, source: str, problem: Problem, callback: Callback, *, verified: bool, body: bool = True) -> None:
        """Count it, and within the rate log it and store it with the vendor's bytes.

        `verified`: its signature fitted. Such ones have a rate and a quota of their own. Not `body`: the bytes are left out,
        because of its source's events something is.
        """
        self.count(source, problem)
        if not self._within_rate(source, verified):
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
            **log_fields(callback.trace),
        )
        kept = _refusal(source, problem, callback, len(callback.body), verified=verified)
        self._store.keep_refusal(kept if body else kept.replace(body=b""))

    @harmless
    def keep_unknown(self, problem: Problem, callback: Callback, size: int, paths: Mapping[str, str]) -> None:
        """Store a request to a path that names no source; the answer counted it. `paths`: the source of each path.

        Where the path is nearly one of these, the detail says so, and it is kept apart from what scanners try.
        """
        near = near_path(callback.path, paths)
        if not self._within_rate("", near is not None):
            return
        kept = Problem(problem.status, problem.code, near or problem.detail)
        if near is not None:
            log.warning("unknown_path", path=callback.path[:PATH_CHARS_MAX], detail=near, peer=callback.peer)
        self._store.keep_refusal(_refusal("", kept, callback, size, verified=near is not None))

    @harmless
    def count(self, source: str | None, problem: Problem) -> None:
        """Only count it. `source` None: the path named none."""
        name = source or ""
        code = self._codes(problem.code)
        self._metrics.refused.labels(name, code).inc()
        self._metrics.activity.note_refused(f"{name} {code}")
        self._metrics.activity.callback(name, good=False)
        self._metrics.callbacks.labels(name, "refused").inc()

    def _within_rate(self, source: str, verified: bool) -> bool:
        now = self._clock.monotonic()
        window = self._kept.setdefault((source, verified), SlidingWindow(KEPT_SECONDS))
        if window.count(now) >= KEPT_MAX:
            return False
        window.add(now)
        return True


def _refusal(source: str, problem: Problem, callback: Callback, size: int, *, verified: bool) -> Refusal:
    return Refusal(
        source=source,
        code=problem.code,
        detail=problem.detail[:500],
        received_at=round(callback.received_at.timestamp() * 1000),
        method=callback.method,
        path=callback.path[:PATH_CHARS_MAX],
        headers=tuple(callback.headers.items()),
        body=callback.body if len(callback.body) <= BODY_BYTES_MAX else b"",
        size=size,
        peer=callback.peer,
        verified=verified,
    )
