"""What differs between the two databases outside of statements: locks, connections, hearing of others, the end."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol, TypeVar

from gateway.errors import StoreUnavailable
from gateway.extras import how_to_install
from gateway.runtime.clock import Clock
from gateway.store.engine.batch import Bulk
from gateway.store.engine.cipher import Cipher
from gateway.store.engine.reader import StoreReader
from gateway.store.engine.session import Session
from gateway.store.engine.writer import Writer
from gateway.store.outbox.groups import Groups
from gateway.text.store_address import StoreAddress

T = TypeVar("T")


class Backend(Protocol):
    """One database, as the store needs it."""

    address: StoreAddress
    folder: Path | None  # whose free disk limits accepts
    alone: bool  # no other process carries deliveries of this database
    step_rows: int  # events that a step of background work takes, such as one of retention
    reader: StoreReader
    groups: Groups  # shared with the sessions of the writer

    async def acquire(self, wait: float) -> None:
        """Become the owner, where there can be only one. Raises StoreInUse, StoreUnavailable."""

    def free(self) -> None:
        """Give the ownership back."""

    def prepare(self) -> Bulk:
        """Make or bring forward the tables; the writer's first session. Raises SchemaMismatch, StoreUnavailable."""
        raise NotImplementedError

    def connect(self) -> Bulk:
        """The writer's session again, after it was lost. Raises StoreUnavailable."""
        raise NotImplementedError

    def start(self) -> None:
        """The writer runs: start what runs beside it."""

    def listen(self, owner: str, wake: Callable[[str], None], tell: Callable[[str], None]) -> None:
        """Hear of rows that others left. `wake` is for the loop, `tell` for the writer's thread."""

    async def stop_listening(self) -> None:
        """The opposite; nothing if it never began."""

    def poll(self, session: Bulk) -> None:
        """About four times a second on the writer's thread."""

    def notify(self, session: Bulk, sinks: Collection[str]) -> None:
        """Tell others of rows left waiting; never raises."""

    def prepare_next(self, session: Bulk, writer: Writer) -> None:
        """On the writer's thread after a commit, when all who waited are answered: what makes the next one faster."""

    def background(self, writer: Writer, work: Callable[[Session], T]) -> Future[T]:
        """Run a small step of background work where it hurts nobody."""
        raise NotImplementedError

    def tidy(self, writer: Writer) -> Future[float] | None:
        """Move what a step changed to where it stays, as a piece of work of its own: the seconds it took. None: the server does."""
        raise NotImplementedError

    def scrub(self) -> None:
        """What was overwritten is to leave the files too, soon."""

    def farewell(self, session: Bulk) -> None:
        """The writer's last act."""

    async def close(self) -> None:
        """End what runs beside the writer, and give the ownership back."""


def backend_of(address: StoreAddress, clock: Clock, cipher: Cipher | None = None) -> Backend:
    """The backend of an address. Raises StoreUnavailable where the extra for PostgreSQL is not installed."""
    if address.backend == "sqlite":
        from gateway.store.sqlite.backend import SqliteBackend

        return SqliteBackend(address, clock, cipher)
    try:
        from gateway.store.postgres.backend import PostgresBackend
    except ImportError as error:  # pragma: no cover  the tests have the extra
        raise StoreUnavailable(f"PostgreSQL needs an extra: {how_to_install('postgres')} ({error})") from None
    return PostgresBackend(address, clock, cipher)
