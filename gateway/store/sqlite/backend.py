"""A store in one SQLite file: one gateway owns it, only its writer checkpoints, others' commits are seen by the data version."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from gateway.errors import StoreFileGone
from gateway.runtime.clock import Clock
from gateway.runtime.lean_imports import import_structlog
from gateway.store.engine import cipher_keys
from gateway.store.engine.batch import Bulk
from gateway.store.engine.cipher import Cipher
from gateway.store.engine.migrations import migrate
from gateway.store.engine.reader import StoreReader
from gateway.store.engine.session import Session
from gateway.store.engine.writer import Writer
from gateway.store.outbox import counts
from gateway.store.outbox.groups import Groups
from gateway.store.sqlite import scrub
from gateway.store.sqlite.batch import SqliteBulk
from gateway.store.sqlite.checkpoints import Checkpoints
from gateway.store.sqlite.log_room import LogRoom
from gateway.store.sqlite.open_file import OpenFiles
from gateway.store.sqlite.owner_lock import OwnerLock
from gateway.store.sqlite.session import SqliteSession, make_file
from gateway.text.store_address import StoreAddress

log = import_structlog().get_logger("gateway.store")
T = TypeVar("T")
_EMPTIED: Final = (
    "a gateway has used this store before (its lock file is there), and now its file is empty or gone: if nobody meant that, "
    "stop the gateway and bring back a copy"
)


class SqliteBackend:
    """See `Backend`."""

    alone = True
    step_rows = 20  # 2 ms of the writer's time with its flush, and 2 to move its pages; 50 would be 4 and 6

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
        self._checkpoints = Checkpoints()
        self._scrubbing = True  # until a first look says otherwise: a gateway that ended may have left it undone
        self.reader = StoreReader(self._read_session)

    async def acquire(self, wait: float) -> None:
        await self._lock.acquire(wait)

    def free(self) -> None:
        self._lock.free()

    def prepare(self) -> Bulk:
        if self._lock.used_before and not _has_bytes(self._path):
            log.warning("store_made_anew", store=self.address.shown, reason=_EMPTIED)
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
            self._checkpoints.use_connection(session)
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
        if self._version is not None and self._version.wake_if_changed(session):
            self._scrubbing = self._scrubbing or scrub.asked(session)
        if self._scrubbing and isinstance(session, SqliteSession):
            self._scrubbing = not scrub.step(session)

    def notify(self, session: Bulk, sinks: Collection[str]) -> None:
        """Nobody else carries deliveries of this file."""

    def prepare_next(self, session: Bulk, writer: Writer) -> None:
        if isinstance(session, SqliteSession):
            self._checkpoints.after_commit(session, lambda: writer.accepts_wait)
            self._room.make(session)

    def background(self, writer: Writer, work: Callable[[Session], T]) -> Future[T]:
        return writer.put_background(work)

    def tidy(self, writer: Writer) -> Future[float] | None:
        """A step of twenty events changes fifty pages, so that every tenth would move five hundred into the file at once."""
        return writer.put_background(self._move_log, apart=True)

    def _move_log(self, session: Bulk) -> float:
        return self._checkpoints.move(session) if isinstance(session, SqliteSession) else 0.0

    def scrub(self) -> None:
        self._scrubbing = True

    def farewell(self, session: Bulk) -> None:
        if isinstance(session, SqliteSession):
            with suppress(Exception):
                session.checkpoint()

    async def close(self) -> None:
        await self.reader.close()
        self._lock.free()


class DataVersion:
    """SQLite's own sign that another process committed, read on the writer's connection, which does not see itself in it."""

    def __init__(self, wake: Callable[[str], None]) -> None:
        self._wake = wake
        self._seen: int | None = None

    def wake_if_changed(self, session: Session) -> bool:
        """Wake the sinks that have due rows, if somebody else wrote since the last look; whether it did. Nobody knows that of
        the first look, which comes a while after the start: it counts as a change, and wakes nobody, because lanes begin with
        a look of their own."""
        ((version,),) = session.rows("PRAGMA data_version")
        first = self._seen is None
        changed: bool = version != self._seen
        self._seen = version
        if changed and not first:
            ((now,),) = session.rows("SELECT :now")
            for one in counts.due(session):
                if one.at is not None and one.at <= now:
                    self._wake(one.sink)
        return changed


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:  # whoever opens it says what is wrong
        return False
