"""Hears that somebody else left rows to claim: LISTEN."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable, Collection
from typing import Final

from gateway.errors import StoreUnavailable
from gateway.runtime.background import run_tirelessly
from gateway.runtime.lean_imports import import_structlog
from gateway.store.postgres.session import CHANNEL, PostgresSession

SCATTER_SECONDS: Final = 0.02  # seconds: gateways that hear of one row do not all claim in one instant
LOST_SECONDS: Final = 0.5  # before a lost connection is made again
# feature_not_supported, syntax_error, undefined_function, insufficient_privilege: it will not the next time either
NOT_THERE: Final = ("0A000", "42601", "42883", "42501")
SIGN_SECONDS: Final = 15.0  # between two signs of life that are asked of a silent server
NOTIFY_INTERVAL_SECONDS: Final = 0.1  # seconds a sink: a lost notice costs one poll

log = import_structlog().get_logger("gateway.store")


class NoticeListener:
    """A thread with a connection of its own that waits for NOTIFY. Without it the poll finds the rows, later."""

    def __init__(self, connect: Callable[[], PostgresSession], who: str, wake: Callable[[str], None]) -> None:
        self._connect = connect
        self._who = who
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=run_tirelessly,
            args=("store-listener", self._listen_until_closed, self._stopping),
            name="store-listener",
            daemon=True,
        )
        self._thread.start()

    def _listen_until_closed(self) -> None:
        from tenacity import (
            RetryError,
            Retrying,
            retry_if_exception_type,
            sleep_using_event,
            stop_when_event_set,
            wait_exponential,
            wait_random,
        )

        connecting = Retrying(
            retry=retry_if_exception_type(StoreUnavailable),
            wait=wait_exponential(multiplier=0.5, max=5.0) + wait_random(0, 0.5),
            sleep=sleep_using_event(self._stopping),
            stop=stop_when_event_set(self._stopping),
        )
        while not self._stopping.is_set():
            try:
                session = connecting(self._connect)
            except RetryError:  # asked to stop
                return
            try:
                # Behind a pooler it would listen on a connection that is lent to somebody else.
                if session.pooled or session.reduced:
                    return
                self._listen(session)
            except Exception as error:
                if getattr(error, "sqlstate", None) in NOT_THERE:
                    log.warning("store_not_listening", error=session.explain(error))
                    return
                log.info("store_listener_lost", error=session.explain(error))
                self._stopping.wait(LOST_SECONDS)
            finally:
                session.close()

    def _listen(self, session: PostgresSession) -> None:
        session.rows(f"LISTEN {CHANNEL}")
        sign_at = time.monotonic() + SIGN_SECONDS
        while not self._stopping.is_set():
            for notice in session.connection.notifies(timeout=0.25):
                who, _, sink = notice.payload.partition(" ")
                if who != self._who:
                    self._wake_sink(sink)
            if time.monotonic() >= sign_at:  # silence may be a server that is gone without a word
                session.rows("SELECT 1")
                sign_at = time.monotonic() + SIGN_SECONDS

    def _wake_sink(self, sink: str) -> None:
        pause = random.random() * SCATTER_SECONDS  # noqa: S311  jitter, not a secret
        try:
            self._loop.call_soon_threadsafe(self._loop.call_later, pause, self._wake, sink)
        except RuntimeError:  # the loop has ended
            self._stopping.set()

    async def close(self) -> None:
        """End the thread; it is seen within a quarter of a second."""
        self._stopping.set()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)


class Notifier:
    """Tells other gateways of rows left waiting, no more often than NOTIFY_INTERVAL_SECONDS a sink. On the writer's thread."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._last: dict[str, float] = {}

    def notify(self, session: PostgresSession, sinks: Collection[str]) -> None:
        """After the commit, in a statement of its own: NOTIFY inside a transaction takes a lock over the whole database."""
        now = time.monotonic()
        ripe = sorted(sink for sink in sinks if now - self._last.get(sink, -1.0) >= NOTIFY_INTERVAL_SECONDS)
        if ripe:
            self._last.update(dict.fromkeys(ripe, now))
            session.notify(self._who, ripe)
