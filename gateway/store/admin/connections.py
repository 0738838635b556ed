"""Opens a store's connections for people, beside a running gateway, and says in a line what went wrong with them."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from gateway.errors import ItemRefused, PageDamaged, StoreError, StoreFileGone, StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.store.engine import cipher_keys
from gateway.store.engine.migrations import migrate, require
from gateway.store.engine.patience import NoAnswer, NotYet, patiently
from gateway.store.engine.reruns import pause
from gateway.store.engine.session import Session, Trouble
from gateway.store.sqlite import scrub
from gateway.store.sqlite.error_texts import cannot_open
from gateway.store.sqlite.session import SqliteSession, make_file
from gateway.text.file_trouble import missing_folder
from gateway.text.store_address import StoreAddress

if TYPE_CHECKING:
    from gateway.store.engine.batch import Bulk
    from gateway.store.engine.cipher import Cipher

T = TypeVar("T")
_S = TypeVar("_S", bound="Session")

OPENING_SECONDS: Final = 2.0  # a person waits so long for a store that somebody else is just making, or has locked
READ_TIMEOUT_MS: Final = 2000  # ms, PostgreSQL: an old snapshot keeps dead rows, and claims slow down behind it
_PAUSE_SECONDS_MAX: Final = 0.25  # seconds
SCRUB_LOOK_SECONDS: Final = 0.1
_LOOKS_MAX: Final = 3  # at what somebody deletes meanwhile


class StoreConnections:
    """Two connections, each made when it is first used: one that only reads, one for short transactions."""

    def __init__(
        self,
        address: StoreAddress,
        clock: Clock | None,
        cipher: Cipher | None = None,
        grouped: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """`grouped`: what each sink's batches are grouped by."""
        self._address = address
        self._grouped = grouped or {}
        self._cipher = cipher
        self._clock = clock or Clock()
        self._who = secrets.token_hex(8)
        self._reader: Session | None = None
        self._writer: Bulk | None = None
        self._free_at = 0.0  # monotonic
        self._sleep = time.sleep

    def read(self, question: Callable[[Session], T]) -> T:
        """Ask something. Raises StoreUnavailable, SchemaMismatch and what the question raises of its own."""
        if self._reader is not None:
            try:
                self._reader.check()
            except StoreFileGone:  # what a long command reads is the store that is there now
                self.close()
        if self._reader is None:
            self._reader = self._opened(self._open_reader)
        return self._close_if_lost(self._reader, question, "read")

    def change(self, work: Callable[[Bulk], T]) -> T:
        """Do something in one transaction, then tell the gateways. Raises as `read`, and ItemRefused."""
        from gateway.store.engine.batch import Tally  # here, because most only read

        if self._writer is None:
            self._writer = self._opened(self._open_writer)
            self._writer.groups.by = self._grouped
            _with_patience(self._writer, cipher_keys.register, "changed")
        session = self._writer

        def whole(session: Bulk) -> T:
            with session.atomic():
                return work(session)

        self._give_way()
        began = time.monotonic()
        session.tally = Tally()
        answer = self._close_if_lost(session, whole, "changed")
        self._free_at = (ended := time.monotonic()) + min(ended - began, _PAUSE_SECONDS_MAX)
        self._notify(session, session.tally.waiting | session.tally.freed)
        return answer

    def _give_way(self) -> None:
        """Pause as long as the last transaction took: SQLite has no queue for writers, and who asks without a pause,
        over thousands of rows, keeps the gateway from answering anybody."""
        if self._address.backend == "sqlite" and (pause := self._free_at - time.monotonic()) > 0:
            self._sleep(pause)

    def migrate(self) -> tuple[int, int]:
        """Bring the tables to this program's version, making them where there are none: (from, to)."""
        fresh = self._address.backend == "sqlite" and not _holds_something(self._address.path)

        def migrated() -> tuple[int, int]:
            if fresh:
                make_file(self._address.path)
                session: Session = SqliteSession(self._address.path.absolute(), "writer", self._clock)
            else:
                session = self._open_writer()
            try:
                return _with_patience(session, lambda session: migrate(session, self._address.shown), "migrated")
            finally:
                session.close()

        return patiently(migrated, OPENING_SECONDS)

    def scrub(self, wait: float) -> bool:
        """Wait until the erased is out of SQLite's write-ahead log; False: it is not yet."""
        if self._address.backend != "sqlite":
            return True
        until = time.monotonic() + wait
        while not self._scrubbed():
            if time.monotonic() >= until:
                return False
            self._sleep(SCRUB_LOOK_SECONDS)
        return True

    def _scrubbed(self) -> bool:
        """Whether a gateway that runs has emptied the log; where none runs, this does."""
        if not self.read(scrub.asked):
            return True
        from gateway.store.sqlite.owner_lock import OwnerLock

        lock = OwnerLock(self._path_of_store())
        if not lock.try_now():
            return False
        try:
            self.close()  # because a log that somebody reads cannot be emptied
            session = SqliteSession(self._path_of_store(), "writer", self._clock)
            try:
                return _with_patience(session, scrub.step, "changed")
            finally:
                session.close()
        finally:
            lock.free()

    def close(self) -> None:
        """Close what was opened; it is opened again when used."""
        for session in (self._reader, self._writer):
            if session is not None:
                session.close()
        self._reader = self._writer = None

    def _close_if_lost(self, session: _S, work: Callable[[_S], T], doing: str) -> T:
        try:
            return _with_patience(session, work, doing)
        except PageDamaged:
            raise  # the connection is well
        except StoreUnavailable:
            self.close()  # because it may be the connection that is broken
            raise
        except MemoryError:
            self.close()  # because a transaction may have begun that was not rolled back
            raise

    def _opened(self, opening: Callable[[], _S]) -> _S:
        """Patiently, because `serve` may be making the store. A server that does not answer is not waited for."""

        def checked() -> _S:
            try:
                return self._checked(opening())
            except NoAnswer as error:
                raise StoreUnavailable(str(error)) from None

        return patiently(checked, OPENING_SECONDS)

    def _checked(self, session: _S) -> _S:
        session.cipher = self._cipher

        def fitting(session: _S) -> None:
            require(session, self._address.shown)
            cipher_keys.require(session, self._address.shown)

        try:
            _with_patience(session, fitting, "read")
        except BaseException:
            session.close()
            raise
        return session

    def _open_reader(self) -> Session:
        if self._address.backend == "sqlite":
            return SqliteSession(self._path_of_store(), "reader", self._clock)
        from gateway.store.postgres.session import PostgresSession

        return PostgresSession(self._address, self._server_clock(), timeout_ms=READ_TIMEOUT_MS)

    def _open_writer(self) -> Bulk:
        if self._address.backend == "sqlite":
            from gateway.store.sqlite.batch import SqliteAdminBulk

            return SqliteAdminBulk(self._path_of_store(), self._clock)
        from gateway.store.postgres.batch import PostgresBulk

        return PostgresBulk(self._address, self._server_clock())

    def _server_clock(self) -> Clock | None:
        return None if type(self._clock) is Clock else self._clock  # None: the server's, which all gateways share

    def _path_of_store(self) -> Path:
        path = self._address.path.absolute()
        try:
            there = path.exists()
        except OSError as error:
            raise StoreUnavailable(cannot_open(path, error)) from None
        if not there:
            if (missing := missing_folder(path)) is not None:
                raise StoreUnavailable(
                    f"there is no store at {path}: {missing}; make it, or name another place (store.url)"
                )
            raise StoreUnavailable(
                f"there is no store at {path}: `gateway serve` makes it when it starts, `gateway store migrate` without it; "
                "or the configuration names another place (store.url)"
            )
        return path

    def _notify(self, session: Bulk, sinks: Collection[str]) -> None:
        # On SQLite the gateway sees the commit itself. A notice that is lost costs one poll, so it fails in silence.
        tell = getattr(session, "notify", None)
        if sinks and tell is not None:
            with suppress(Exception):
                tell(self._who, sorted(sinks))


def _with_patience(session: _S, work: Callable[[_S], T], doing: str) -> T:
    looks = reruns = 0
    while True:
        try:
            return work(session)
        except StoreError:
            raise
        except Exception as error:
            trouble = session.trouble(error)
            if trouble is Trouble.BUG:
                raise
            if trouble is Trouble.AGAIN and pause(reruns := reruns + 1, error):
                continue
            if trouble is Trouble.GONE and (looks := looks + 1) < _LOOKS_MAX:
                continue
            kind = ItemRefused if trouble in (Trouble.ITEM, Trouble.GONE) else StoreUnavailable
            if trouble is Trouble.DAMAGED:
                kind = PageDamaged
            if kind is StoreUnavailable and session.passes(error):
                kind = NotYet
            raise kind(f"the store cannot be {doing}: {session.explain(error)}") from None


def _holds_something(path: Path) -> bool:
    return os.path.exists(path) and path.stat().st_size > 0  # one that cannot be reached is told when it is opened
