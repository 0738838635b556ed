"""A store in PostgreSQL, shared by many gateways: a connection each to write, to read, and to hear of the others."""

from __future__ import annotations

import asyncio
import secrets
from asyncio import Future
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from gateway.errors import StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog
from gateway.store.engine import cipher_keys
from gateway.store.engine.batch import Bulk
from gateway.store.engine.cipher import Cipher
from gateway.store.engine.migrations import migrate
from gateway.store.engine.patience import NotYet
from gateway.store.engine.reader import StoreReader
from gateway.store.engine.session import Session
from gateway.store.engine.writer import Writer
from gateway.store.outbox.groups import Groups
from gateway.store.postgres import reduced
from gateway.store.postgres.batch import PostgresBulk
from gateway.store.postgres.notices import NoticeListener, Notifier
from gateway.store.postgres.session import PostgresSession
from gateway.text.store_address import StoreAddress

T = TypeVar("T")

log = import_structlog().get_logger("gateway.store")

RETRY_SECONDS = 0.5  # between two looks for a server at the start
POOLED = (
    "a pooler stands between: statements are not prepared, other gateways are heard by polling; the modes session and "
    "transaction work, and ALTER ROLE … SET statement_timeout = '5s' ends at the server what is given up here"
)
REDUCED = "rows stand in for advisory locks and sequences, and other gateways are heard by polling"
READ_TIMEOUT_MS = 2000  # ms: an old snapshot keeps dead rows, and claims slow down behind it


class PostgresBackend:
    """See `Backend`."""

    alone = False
    folder: Path | None = None
    step_rows = 200

    def __init__(self, address: StoreAddress, clock: Clock, cipher: Cipher | None = None) -> None:
        self.address = address
        self._cipher = cipher
        self.groups = Groups()
        # The server's clock is the one that all gateways share; a test's frozen clock is sent along.
        self._clock = None if type(clock) is Clock else clock
        self._who = secrets.token_hex(8)
        self._notifier = Notifier(self._who)
        self._listener: NoticeListener | None = None
        self.reader = StoreReader(self._read_session)

    def _read_session(self) -> Session:
        session = PostgresSession(self.address, self._clock, timeout_ms=READ_TIMEOUT_MS)
        session.cipher = self._cipher
        return session

    def _session(self) -> PostgresSession:
        return PostgresSession(self.address, self._clock)

    async def acquire(self, wait: float) -> None:
        """Every gateway is welcome; but wait for a server that is only starting, as one does beside it in a pod."""
        from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_before_delay, wait_fixed

        def log_wait(state: RetryCallState) -> None:
            if state.attempt_number == 1 and state.outcome is not None:
                log.warning("waiting_for_store", error=str(state.outcome.exception()), seconds=wait)

        async def try_to_connect() -> None:
            session = await asyncio.to_thread(self._session)
            if session.pooled:
                log.warning("store_behind_pooler", store=self.address.shown, detail=POOLED)
            if session.reduced:
                log.info("store_reduced", store=self.address.shown, detail=REDUCED)
            try:
                await asyncio.to_thread(self._require_locks, session)
            finally:
                session.close()

        await AsyncRetrying(
            retry=retry_if_exception_type(NotYet),
            wait=wait_fixed(RETRY_SECONDS),
            stop=stop_before_delay(wait),
            before_sleep=log_wait,
            reraise=True,
        )(try_to_connect)

    def _require_locks(self, session: PostgresSession) -> None:
        try:
            locked = session.reduced or reduced.locks_exclude(session)
        except Exception as error:
            raise NotYet(f"{self.address.shown} cannot be used: {session.explain(error)}") from None
        if not locked:
            raise StoreUnavailable(
                f"{self.address.shown} takes advisory locks and locks nothing, and this store was made for a server that does: "
                "move it with `gateway store copy --to` the URL of another database there, with `?mode=reduced`"
            )

    def free(self) -> None:
        """Nothing was taken."""

    def prepare(self) -> Bulk:
        session = self._writer_session()
        try:
            migrate(session, self.address.shown)
            session.settle_mode()  # somebody else may have made them meanwhile
            cipher_keys.require(session, self.address.shown)
            cipher_keys.register(session)
        except BaseException:
            session.close()
            raise
        return session

    def connect(self) -> Bulk:
        return self._writer_session()

    def _writer_session(self) -> PostgresBulk:
        session = PostgresBulk(self.address, self._clock)
        session.cipher = self._cipher
        session.groups = self.groups
        return session

    def start(self) -> None:
        self.reader.start()

    def listen(self, owner: str, wake: Callable[[str], None], tell: Callable[[str], None]) -> None:
        self._listener = NoticeListener(self._session, self._who, wake)

    async def stop_listening(self) -> None:
        if self._listener is not None:
            await self._listener.close()
            self._listener = None

    def poll(self, session: Bulk) -> None:
        """Nothing: NOTIFY tells."""

    def notify(self, session: Bulk, sinks: Collection[str]) -> None:
        if isinstance(session, PostgresSession):
            with suppress(
                Exception
            ):  # a lost notice costs others one poll; a lost connection is the next batch's affair
                self._notifier.notify(session, sinks)

    def prepare_next(self, session: Bulk, writer: Writer) -> None:
        """Its server sees to that."""

    def background(self, writer: Writer, work: Callable[[Session], T]) -> Future[T]:
        return self.reader.ask(work)

    def tidy(self, writer: Writer) -> Future[float] | None:
        """The server's checkpoints are spread over minutes already."""
        return None

    def scrub(self) -> None:
        """VACUUM passes by itself."""

    def farewell(self, session: Bulk) -> None:
        """Nothing to put in order."""

    async def close(self) -> None:
        await self.reader.close()
