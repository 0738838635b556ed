"""The writer's connection: lost, and opened again with growing pauses."""

from __future__ import annotations

import time
from collections.abc import Callable

from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_before_delay,
    wait_exponential,
    wait_random,
)
from tenacity.wait import wait_base

from gateway.errors import StoreError, StoreUnavailable
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.rising_pause import seconds_after
from gateway.store.engine.batch import Bulk

log = import_structlog().get_logger("gateway.store")


class WriterLink:
    """One session at a time, on the writer's thread. `connect` opens it; `closing` says that nobody will wait for it."""

    def __init__(self, connect: Callable[[], Bulk], closing: Callable[[], bool]) -> None:
        self._connect = connect
        self._closing = closing
        self.session: Bulk | None = None
        self._failures = 0  # to connect, in a row
        self._connect_at = 0.0

    def connected(self, rerun_until: float | None) -> Bulk:
        """The session, opened again if it was lost: with growing pauses, or at once for a rerun. Raises StoreUnavailable.

        No transaction has begun in it: one that was not rolled back, because there was no memory for that, would take in
        what comes next, and nobody would commit it.
        """
        if self.session is not None and self.session.under_way:
            self.drop()
        if self.session is None:
            now = time.monotonic()
            if rerun_until is None and now < self._connect_at:
                raise StoreUnavailable(f"the store is away; the next look is in {self._connect_at - now:.1f} s")
            self.session = self._reconnect(0.0 if rerun_until is None else rerun_until - now)
            if self._failures:
                log.info("store_is_back", failures=self._failures)
            self._failures = 0
        return self.session

    def _reconnect(self, patience: float) -> Bulk:
        """Try once, and on for `patience` seconds. Raises StoreUnavailable."""
        over = stop_before_delay(max(patience, 0.0))
        trying = Retrying(
            stop=lambda state: over(state) or self._closing(),
            wait=_waits(),
            retry=retry_if_exception_type(StoreError),
            reraise=True,
        )
        try:
            return trying(self._connect)
        except StoreError as error:
            self._failures += 1
            self._connect_at = time.monotonic() + seconds_after(self._failures, _waits())
            raise (error if isinstance(error, StoreUnavailable) else StoreUnavailable(str(error))) from None

    def drop(self) -> None:
        """It is lost: the next look opens another, at once."""
        if self.session is not None:
            self.session.close()
            self.session = None
        self._connect_at = 0.0


def _waits() -> wait_base:
    """0.1 s doubling to 2 s, with jitter."""
    return wait_exponential(multiplier=0.1, max=2.0) + wait_random(0, 0.1)
