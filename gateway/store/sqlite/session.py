"""The thin SQLite driver: opens a store's file the one right way, and says what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from gateway.errors import SchemaMismatch, StoreFileGone, StoreUnavailable
from gateway.runtime.clock import Clock
from gateway.store.engine.cipher import Cipher
from gateway.store.engine.patience import NotYet, patiently
from gateway.store.engine.session import Columns, Trouble
from gateway.store.sqlite.error_texts import cannot_open, explain
from gateway.store.sqlite.foreign_log import left, looked_at
from gateway.store.sqlite.open_file import OpenFiles

APPLICATION_ID: Final = 0x52474757  # "RGGW": says whose file this is, also to file(1)
LIBRARY_VERSION_MIN: Final = (3, 37, 0)  # STRICT and RETURNING
BUSY_SECONDS: Final = 5.0  # a statement, and opening, waits so long for somebody else's lock
CHECKPOINT_PAGES: Final = 1000  # of the log that are moved into the file at once, by the commit that reaches them
WAL_BYTES_MAX: Final = 16 * 1024 * 1024  # bytes the write-ahead log is cut back to
_FATAL: Final = {"SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_READONLY"}
_BUSY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")  # PROTOCOL: two made the log at one instant
_ITEM: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    UnicodeEncodeError,
)

# Python 3.11 raises and catches an exception for each of these that is bound, as long as nobody says what becomes of it:
# what it is. A NULL or a blob costs a quarter of it then.
sqlite3.register_adapter(type(None), {None: None}.get)
sqlite3.register_adapter(bytes, bytes)
sqlite3.register_adapter(bool, int)

SessionRole = Literal["writer", "reader", "admin"]


def make_file(path: Path) -> None:
    """Create the store's file for its owner alone (0600), if it is not there.

    SQLite gives its -wal and -shm files the modes of this one. Raises StoreUnavailable.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnavailable(cannot_open(path, error)) from None


class SqliteSession:
    """One connection, used by one thread at a time."""

    backend: Literal["sqlite", "postgresql"] = "sqlite"
    reduced = False
    cipher: Cipher | None = None
    _left = False

    def __init__(self, path: Path, role: SessionRole, clock: Clock | None = None) -> None:
        """Open an existing file. Only the writer checkpoints: two connections that do so at one instant meet a bug of
        SQLite before 3.51.3. Raises StoreUnavailable, SchemaMismatch (not a store of ours)."""
        if sqlite3.sqlite_version_info < LIBRARY_VERSION_MIN:
            raise StoreUnavailable(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 or newer is needed")
        self.path = path
        self._clock = clock or Clock()
        self._looked: tuple[int, float] | None = None  # ms, and monotonic seconds
        uri = f"file:{quote(os.fsencode(path))}?mode=rw"
        try:
            with looked_at(path) as self._noted:
                self.files = OpenFiles(path)
                self.connection = sqlite3.connect(
                    uri,
                    uri=True,
                    isolation_level=None,
                    timeout=BUSY_SECONDS,
                    cached_statements=256,
                    check_same_thread=False,
                )
        except (OSError, sqlite3.Error) as error:
            raise StoreUnavailable(cannot_open(path, error)) from None
        try:
            patiently(lambda: self._prepare(role), BUSY_SECONDS)
            self.files.opened()
        except (SchemaMismatch, StoreUnavailable):
            self.close()
            raise

    def _prepare(self, role: SessionRole) -> None:
        try:
            self._set_up(role)
        except sqlite3.Error as error:
            self.rollback()
            # The change to WAL, above all, does not wait for the busy time-out.
            raise (NotYet if self.passes(error) else StoreUnavailable)(cannot_open(self.path, error)) from None

    def _set_up(self, role: SessionRole) -> None:
        run = self.connection.execute
        run("BEGIN")  # both from one state, because somebody may be making the store between two looks
        (application,) = run("PRAGMA application_id").fetchone()
        (tables,) = run("SELECT count(*) FROM sqlite_schema").fetchone()
        run("COMMIT")
        if application != APPLICATION_ID and (application or tables):
            raise SchemaMismatch(f"{self.path} is a SQLite file of another program; name a file of its own")
        if role == "writer":
            if not tables:  # both hold only before the first table is made
                run("PRAGMA page_size=8192")
                run("PRAGMA auto_vacuum=INCREMENTAL")
            # The file says that it has a log, flushed with its journal's name, before there is one: see foreign_log
            run("PRAGMA synchronous=EXTRA")
            run("PRAGMA journal_mode=WAL").fetchall()
            if application != APPLICATION_ID:
                run(f"PRAGMA application_id={APPLICATION_ID}")
            # A copy gets its log now, and not with its first commit: what is not there yet would not be watched
            run("SELECT count(*) FROM sqlite_schema").fetchone()
            run(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}").fetchall()
            run(f"PRAGMA journal_size_limit={WAL_BYTES_MAX}").fetchall()
        else:
            run("PRAGMA wal_autocheckpoint=0").fetchall()
        run("PRAGMA synchronous=FULL")
        run("PRAGMA foreign_keys=ON")
        run("PRAGMA secure_delete=FAST").fetchall()
        if role == "reader":
            run("PRAGMA query_only=1")
        else:  # else a full /tmp ends transactions as a full disk would: a statement's own journal goes there
            run("PRAGMA temp_store=MEMORY").fetchall()

    def look_at_clock(self) -> int:
        self._looked = self._clock.ms(), self._clock.monotonic()
        return self._looked[0]

    def now(self) -> int:
        """As the clock was looked at last and as time has passed since, so that all rows between two looks are of one clock."""
        if self._looked is None:
            return self._clock.ms()
        at, since = self._looked
        return at + int((self._clock.monotonic() - since) * 1000)

    def rows(self, sql: str, values: Mapping[str, object] | None = None) -> Sequence[Columns]:
        return self._run_statement(sql, values).fetchall()

    def change(self, sql: str, values: Mapping[str, object] | None = None) -> int:
        return self._run_statement(sql, values).rowcount

    def _run_statement(self, sql: str, values: Mapping[str, object] | None) -> sqlite3.Cursor:
        if ":now" in sql:
            values = {"now": self.now(), **(values or {})}
        return self.connection.execute(sql, values or {})

    def put_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Insert many rows of a table in the open transaction."""
        places = ", ".join("?" * len(columns))
        self.connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows)  # noqa: S608  names of ours

    @contextmanager
    def atomic(self) -> Iterator[None]:
        if self.connection.in_transaction:
            yield
            return
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.check()
            self.connection.execute("COMMIT")
        except BaseException:
            self.rollback()
            raise

    alone = atomic

    def lock(self, names: Collection[str]) -> None:
        """Nothing: the transaction is alone."""

    @property
    def under_way(self) -> bool:
        return self.connection.in_transaction

    @contextmanager
    def along_keys(self) -> Iterator[None]:
        yield  # because what is asked here by key is read by key

    def rollback(self) -> None:
        # Only if there is something: SQLite has often rolled back by itself, and an error of ROLLBACK would hide the first.
        if self.connection.in_transaction:
            with suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")

    def trouble(self, error: BaseException) -> Trouble:
        if isinstance(error, StoreFileGone):
            return Trouble.STORE
        if isinstance(error, _ITEM):
            return Trouble.ITEM
        if isinstance(error, sqlite3.Error):
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith("SQLITE_CORRUPT"):
                return Trouble.DAMAGED
            return Trouble.LOST if name.startswith(tuple(_FATAL)) else Trouble.STORE
        return Trouble.BUG

    def passes(self, error: BaseException) -> bool:
        return getattr(error, "sqlite_errorname", "").startswith(_BUSY)

    def explain(self, error: BaseException) -> str:
        return str(error) if isinstance(error, StoreFileGone) else explain(error)

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file and empty it, as far as readers allow."""
        with suppress(sqlite3.Error):
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def check(self) -> None:
        self.files.check()

    def rescue(self) -> None:
        """After `check` raised: where only SQLite's files beside the database went, all that was acknowledged is still in
        the open log. It goes into the database now, because a crash would lose it."""
        if not self.connection.in_transaction and self.files.can_be_rescued():
            self.checkpoint()

    def close(self) -> None:
        if sys.version_info >= (3, 12) and self.files.successor_has_log():
            with suppress(sqlite3.Error):  # else SQLite deletes the log of that name, which is another store's
                self.connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE)
        with suppress(sqlite3.Error):
            self.connection.close()
        if not self._left:
            self._left = True
            left(self._noted)
