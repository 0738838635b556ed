"""Opens the two ends of a transfer: a snapshot to read, and a store that nobody serves to fill."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Final, Protocol, cast

from gateway.errors import StoreError, StoreInUse, StoreUnavailable
from gateway.store.admin.gateways import serving
from gateway.store.engine.migrations import UNFINISHED, migrate, require, schema_version
from gateway.store.engine.session import Session, value_of
from gateway.store.engine.tables import schema
from gateway.store.sqlite.owner_lock import OwnerLock, holder_of
from gateway.store.sqlite.session import SessionRole, SqliteSession, make_file
from gateway.text.file_trouble import missing_folder
from gateway.text.store_address import StoreAddress

STATEMENT_MS: Final = 600_000  # ms, PostgreSQL: a count of a large table, and a wait for a lock
_SNAPSHOT: Final = {
    "sqlite": ("BEGIN", "SELECT count(*) FROM meta"),  # the snapshot is of the first look
    "postgresql": (
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "SET LOCAL idle_in_transaction_session_timeout = 0",  # because whoever takes the lines may be slow
    ),
}


class FillSession(Session, Protocol):
    """A session that takes rows by the thousand."""

    def put_rows(self, table: str, columns: object, rows: object) -> None:
        """Insert them in the open transaction."""


@contextmanager
def snapshot(address: StoreAddress, *, stopped: bool = False) -> Iterator[Session]:
    """A session in a transaction that sees one moment of the store. `stopped`: nobody may serve it, or write to it, meanwhile.

    Raises StoreUnavailable, SchemaMismatch, StoreInUse.
    """
    _require_file(address)
    with _owned(address) if stopped else nullcontext():
        session = _reader(address, "admin" if stopped else "reader")
        try:
            require(session, address.shown)
            if stopped:
                _refuse_served(session, address)
            begin, then = _SNAPSHOT[address.backend]
            session.rows("BEGIN IMMEDIATE" if stopped and address.backend == "sqlite" else begin)
            session.rows(then)
            if stopped and address.backend == "postgresql" and not session.reduced:
                session.rows(f"LOCK TABLE {', '.join(schema().tables)} IN SHARE MODE")
            yield session
        except Exception as error:
            raise _explained(session, address, error, "read") from error
        finally:
            session.close()


@contextmanager
def to_fill(address: StoreAddress) -> Iterator[FillSession]:
    """A session on a store that nobody serves; its tables are made where there are none. Raises as `snapshot`."""
    if address.backend == "sqlite" and (missing := missing_folder(address.path.absolute())) is not None:
        raise StoreUnavailable(f"there can be no store at {address.path}: {missing}; make it")
    with _owned(address):
        if address.backend == "sqlite":
            make_file(address.path.absolute())
            session: Session = SqliteSession(address.path.absolute(), "writer")
        else:
            session = _reader(address, "writer")
        try:
            if not schema_version(session) or not is_unfinished(session):
                migrate(session, address.shown)
            _refuse_served(session, address)
            yield cast("FillSession", session)
        except Exception as error:
            raise _explained(session, address, error, "filled") from error
        finally:
            session.close()


def is_unfinished(session: Session) -> bool:
    """Whether rows were being put into it, and not to the end."""
    return bool(value_of(session.rows("SELECT value FROM meta WHERE name = 'shape'")) == UNFINISHED)


def _reader(address: StoreAddress, role: SessionRole) -> Session:
    if address.backend == "postgresql":
        from gateway.store.postgres.session import PostgresSession

        return PostgresSession(address, timeout_ms=STATEMENT_MS)
    return SqliteSession(address.path.absolute(), role)


def _require_file(address: StoreAddress) -> None:
    """Before a lock file is made beside a name that was only mistyped."""
    if address.backend == "sqlite" and not address.path.exists():
        raise StoreUnavailable(f"there is no store at {address.path.absolute()}: store.url names it")


@contextmanager
def _owned(address: StoreAddress) -> Iterator[None]:
    """No gateway starts on a SQLite file meanwhile."""
    if address.backend != "sqlite":
        yield
        return
    path = Path(address.path.absolute())
    lock = OwnerLock(path)
    if not lock.try_now():
        raise StoreInUse(f"the store {path} is in use, {holder_of(path) or 'by another process'}: stop it first")
    try:
        yield
    finally:
        lock.free()


def _refuse_served(session: Session, address: StoreAddress) -> None:
    if address.backend == "postgresql" and (rows := serving(session, address)):
        names = ", ".join(row.name for row in rows)
        raise StoreInUse(
            f"the store {address.shown} is served by {names}: stop it first (one that was killed is believed dead after a minute)"
        )


def _explained(session: Session, address: StoreAddress, error: Exception, doing: str) -> Exception:
    """A database's error in words; anything else as it is."""
    from gateway.store.engine.session import Trouble

    if isinstance(error, StoreError) or session.trouble(error) is Trouble.BUG:
        return error
    return StoreUnavailable(f"the store {address.shown} cannot be {doing}: {session.explain(error)}")
