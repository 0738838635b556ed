"""Two connections to one PostgreSQL, and tables of the doctor's own, which it takes away again."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import StoreUnavailable
from gateway.extras import how_to_install
from gateway.store.engine.session import Columns
from gateway.store.postgres.connect import connect
from gateway.store.postgres.deadline import DEADLINES
from gateway.text.store_address import StoreAddress

if TYPE_CHECKING:
    import psycopg

STATEMENT_MS: Final = 5000
ANSWER_SECONDS: Final = 6.0  # then the connection is given up
_BOUNDS: Final = {"connect_timeout": "5", "application_name": "recording-gateway doctor", "client_encoding": "UTF8"}


class Lacking(Exception):
    """A trial ran, and what it looked for is not so."""


class Slower(Lacking):
    """It is not so, and costs time only."""


class Server:
    """What trials work with: `first` and `second` are sessions of two gateways, `scratch` names tables that both see."""

    def __init__(self, address: StoreAddress) -> None:
        """Raises StoreUnavailable."""
        try:
            import psycopg
        except ImportError as error:
            raise StoreUnavailable(f"PostgreSQL needs an extra: {how_to_install('postgres')} ({error})") from None
        self.address = address
        self.errors = psycopg
        self.scratch = f"gateway_doctor_{secrets.token_hex(4)}"
        self.first = self._connected()
        try:
            self.second = self._connected()
        except StoreUnavailable:
            self.first.close()
            raise
        self.pooled = self.ask("SELECT pg_backend_pid()") != self.first.info.backend_pid
        if not self.pooled:
            for session in (self.first, self.second):
                self.rows(f"SET statement_timeout = {STATEMENT_MS}; SET lock_timeout = {STATEMENT_MS}", session)

    def _connected(self) -> psycopg.Connection[Columns]:
        try:
            return connect(self.address, _BOUNDS)
        except (self.errors.Error, ValueError) as error:
            raise StoreUnavailable(f"{self.address.shown} cannot be reached: {self.explain(error)}") from None

    def rows(
        self, text: str, session: psycopg.Connection[Columns] | None = None, values: Sequence[object] | None = None
    ) -> Sequence[Columns]:
        """Run one statement, in the first session unless another is named. `{t}` is the scratch table."""
        session = self.first if session is None else session
        with DEADLINES.ends_within(session.fileno(), ANSWER_SECONDS):
            cursor = session.execute(text.replace("{t}", self.scratch).encode(), values)
            return cursor.fetchall() if cursor.description else ()

    def ask(self, text: str, session: psycopg.Connection[Columns] | None = None) -> Any:
        """The one value that a statement gives."""
        ((value,),) = self.rows(text, session)
        return value

    def setting(self, name: str) -> str:
        """A setting of the server; empty: it has none of this name."""
        return str(self.ask(f"SELECT coalesce(current_setting('{name}', true), '')"))

    def calm(self) -> None:
        """End what a trial left open."""
        for session in (self.first, self.second):
            if session.info.transaction_status != self.errors.pq.TransactionStatus.IDLE:
                with suppress(self.errors.Error):
                    self.rows("ROLLBACK", session)

    def explain(self, error: BaseException) -> str:
        """One line, without secrets."""
        diag = getattr(error, "diag", None)
        text = (diag.message_primary if diag is not None else None) or str(error)
        state = getattr(error, "sqlstate", None)
        line = " ".join(self.address.redact(text).split())[:300]
        return f"{line} ({state})" if state else line

    def close(self) -> None:
        """End both sessions."""
        for session in (self.first, self.second):
            session.close()


@contextmanager
def opened(address: StoreAddress) -> Iterator[Server]:
    """A server, for a while. Raises StoreUnavailable."""
    DEADLINES.add()
    try:
        server = Server(address)
        try:
            yield server
        finally:
            server.close()
    finally:
        DEADLINES.remove()
