"""A store in one SQLite file: one gateway owns it, only its writer checkpoints, others' commits are seen by the data version."""

from __future__ import annotations

import time
from asyncio import Future
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from gateway.errors import StoreFileGone
from gateway.runtime.clock import Clock
from gateway.store.engine import cipher_keys
from gateway.store.engine.batch import Bulk
from gateway.store.engine.cipher import Cipher
from gateway.store.engine.migrations import migrate
from gateway.store.engine.reader import StoreReader
from gateway.store.engine.session import Session
from gateway.store.engine.writer import Writer
from gateway.store.outbox.groups import Groups
from gateway.store.sqlite import scrub
from gateway.store.sqlite.batch import SqliteBulk
from gateway.store.sqlite.data_version import DataVersion
from gateway.store.sqlite.log_room import LogRoom
from gateway.store.sqlite.open_file import OpenFiles
from gateway.store.sqlite.owner_lock import OwnerLock
from gateway.store.sqlite.session import CHECKPOINT_PAGES, SqliteSession, make_file
from gateway.text.store_address import StoreAddress

T = TypeVar("T")

GENTLE_PAGES: Final = 250  # of the log that are moved into the file at once while a sweep runs: a quarter of the usual
GENTLE_SECONDS: Final = 2.0  # after a step without another


class SqliteBackend:
    """See `Backend`."""

    alone = True
    sweep_rows = 50  # 6 ms of the writer's time; 200 would be 19 in which no accept is answered

    def __init__(self, address: StoreAddress, clock: Clock, cipher: Cipher | None = None) -> None:
        self.address = address
        self._path = address.path.absolute()  # because the process may change its folder later
        self.folder: Path | None = self._path.parent
        self._clock = clock
        self._cipher = cipher
        self._lock = OwnerLock(self._path)
        self.groups = Groups()
        self._version: DataVersion | None = None
        self._files: OpenFiles | None = None  # as the writer opened them first
        self._room = LogRoom(self._path)
        self._gentle_until = 0.0  # monotonic: until then a sweep is under way
        self._scrubbing = True  # until a first look says otherwise: a gateway that ended may have left it undone
        self.reader = StoreReader(self._read_session)

    async def acquire(self, wait: float) -> None:
        await self._lock.acquire(wait)

    def free(self) -> None:
        self._lock.free()

    def prepare(self) -> Bulk:
        make_file(self._path)
        session = self.connect()
        try:
            migrate(session, self.address.shown)
            cipher_keys.require(session, self.address.shown)
            cipher_keys.register(session)
        except BaseException:
            session.close()
            raise
        return session

    def connect(self) -> Bulk:
        session = SqliteBulk(self._path, self._clock)
        session.cipher = self._cipher
        session.groups = self.groups
        try:
            if self._files is not None and not self._files.same_store(session.files):
                self._files.check()  # because the lock, the reader and what waits in memory belong to the other file
            self._lock.watch(session.files)
        except BaseException:
            session.close()
            raise
        self._files = session.files
        return session

    def _read_session(self) -> Session:
        session = SqliteSession(self._path, "reader", self._clock)
        session.cipher = self._cipher
        return session

    def start(self) -> None:
        self.reader.start()

    def listen(self, owner: str, wake: Callable[[str], None], tell: Callable[[str], None]) -> None:
        self._version = DataVersion(tell)

    async def stop_listening(self) -> None:
        self._version = None

    def poll(self, session: Bulk) -> None:
        if isinstance(session, SqliteSession):
            try:
                session.check()
            except StoreFileGone:
                session.rescue()
                raise
        if self._gentle_until and time.monotonic() > self._gentle_until:
            self._gentle_until = 0.0
            session.rows(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        if self._version is not None and self._version.wake_if_changed(session):
            self._scrubbing = self._scrubbing or scrub.asked(session)
        if self._scrubbing and isinstance(session, SqliteSession):
            self._scrubbing = not scrub.step(session)

    def notify(self, session: Bulk, sinks: Collection[str]) -> None:
        """Nobody else carries deliveries of this file."""

    def prepare_next(self, session: Bulk) -> None:
        if isinstance(session, SqliteSession):
            self._room.make(session)

    def background(self, writer: Writer, work: Callable[[Session], T]) -> Future[T]:
        return writer.put_background(work)

    def gently(self, work: Callable[[Session], T]) -> Callable[[Session], T]:
        """A step of fifty events changes a hundred pages, so that every tenth would move a thousand into the file at once."""

        def gentle(session: Session) -> T:
            self._gentle_until = time.monotonic() + GENTLE_SECONDS
            session.rows(f"PRAGMA wal_autocheckpoint={GENTLE_PAGES}")
            return work(session)

        return gentle

    def scrub(self) -> None:
        self._scrubbing = True

    def farewell(self, session: Bulk) -> None:
        if isinstance(session, SqliteSession):
            with suppress(Exception):
                session.checkpoint()

    async def close(self) -> None:
        await self.reader.close()
        self._lock.free()
