"""The thin PostgreSQL driver: connects within bounds, turns the shared statements into its own, names its errors."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Literal

from gateway.errors import StoreUnavailable
from gateway.extras import how_to_install
from gateway.runtime.clock import Clock
from gateway.store.engine.cipher import Cipher
from gateway.store.engine.patience import NotYet
from gateway.store.engine.reruns import pause
from gateway.store.engine.session import Columns, Trouble
from gateway.store.postgres import reduced
from gateway.store.postgres.connect import connect, refusal
from gateway.store.postgres.deadline import DEADLINES
from gateway.store.postgres.translation import translate
from gateway.text.store_address import StoreAddress

if TYPE_CHECKING:
    from psycopg import Cursor

Values = Sequence[object] | Mapping[str, object]

CHANNEL: Final = "recording_gateway"  # NOTIFY payload: "<who> <sink>"
SERVER_VERSION_MIN: Final = 130_000
_MIGRATION_LOCK: Final = 0x52474757
_MIGRATION_WAIT: Final = "60s"
# Serialisation failure, deadlock, lock and statement time-outs, too many connections, a server that stops or starts.
_PASSING: Final = {"40001", "40P01", "55P03", "57014", "53300", "57P01", "57P02", "57P03"}
STATEMENT_MS: Final = 5000
_SETTINGS: Final = {"idle_in_transaction_session_timeout": "10000", "jit": "off"}  # of a session, beside its bounds
SPARE_SECONDS: Final = 1.0  # the server's own bound comes first; past this much more the connection is given up
MIGRATION_SECONDS: Final = 600.0  # for the making of tables, and the wait for another's
CONNECTED_SECONDS: Final = 5.0  # for the first questions of a new connection
PREPARE_THRESHOLD: Final = 5  # runs after which a statement is prepared; where a pooler stands between, never
_DAMAGED: Final = ("XX001", "XX002")  # data_corrupted, index_corrupted
_ALONG_KEYS: Final = "; ".join(
    f"SET LOCAL enable_{way} = off" for way in ("seqscan", "hashjoin", "mergejoin", "bitmapscan")
)


class PostgresSession:
    """One connection in autocommit, used by one thread at a time."""

    backend: Literal["sqlite", "postgresql"] = "postgresql"
    cipher: Cipher | None = None

    def __init__(self, address: StoreAddress, clock: Clock | None = None, *, timeout_ms: int = 0) -> None:
        """Connect. `timeout_ms` ends a statement at the server (0: the usual). `clock` None: the server's time. Raises StoreUnavailable."""
        try:
            import psycopg
        except ImportError as error:
            raise StoreUnavailable(f"PostgreSQL needs an extra: {how_to_install('postgres')} ({error})") from None
        self._errors = psycopg
        self._address = address
        self._clock = clock
        timeout_ms = timeout_ms or STATEMENT_MS
        self._seconds = CONNECTED_SECONDS
        self._watched = False
        self.reduced = False
        self._begin = "BEGIN"
        self.pooled = False  # a pooler stands between: what a session remembers may be another's
        try:
            # Nothing is prepared before it is known who answers.
            self.connection = connect(address)
        except (psycopg.Error, ValueError) as error:
            text = self.explain(error)
            raise refusal(str(error))(f"{address.shown} cannot be reached: {text}") from None
        DEADLINES.add()
        self._watched = True
        try:
            self._prepare(timeout_ms)
            self._seconds = timeout_ms / 1000 + SPARE_SECONDS
        except psycopg.Error as error:
            passes = self.passes(error)
            self.close()
            raise (NotYet if passes else StoreUnavailable)(
                f"{address.shown} cannot be used: {self.explain(error)}"
            ) from None
        except StoreUnavailable:
            self.close()
            raise

    def _prepare(self, timeout_ms: int) -> None:
        if self.connection.info.server_version < SERVER_VERSION_MIN:
            raise StoreUnavailable(f"{self._address.shown} runs PostgreSQL before 13, which is too old")
        ((process, fsync, synchronous, encoding),) = self.rows(
            "SELECT pg_backend_pid(), current_setting('fsync', true), current_setting('synchronous_commit', true), "
            "coalesce(current_setting('server_encoding', true), 'UTF8')"
        )
        # A pooler answers with a number of its own where a server says its process.
        self.pooled = process != self.connection.info.backend_pid
        bounds = f"; SET LOCAL statement_timeout = {timeout_ms}; SET LOCAL lock_timeout = {timeout_ms}"
        if not self.pooled:
            # Behind a pooler these would stay on the server's connection, for whoever is given it next.
            bounds = ""
            self._set({**_SETTINGS, "statement_timeout": f"{timeout_ms}", "lock_timeout": f"{timeout_ms}"})
            self.connection.prepare_threshold = PREPARE_THRESHOLD
        if fsync == "off" or synchronous == "off":
            raise StoreUnavailable(
                f"{self._address.shown} has fsync={fsync}, synchronous_commit={synchronous}: it says yes before the disk has it, "
                "and what was acknowledged can be lost; set both to on"
            )
        if encoding != "UTF8":
            raise StoreUnavailable(f"the database of {self._address.shown} is encoded as {encoding}; UTF8 is needed")
        self.settle_mode()
        # What stands behind a lock is looked at in a snapshot that is newer than it: with an advisory lock only where each
        # statement has its own. Where a server runs something stricter, a row that was locked and changed meanwhile is itself
        # a serialisation failure.
        self._begin = f"BEGIN ISOLATION LEVEL READ COMMITTED{bounds}"

    def _set(self, settings: Mapping[str, str]) -> None:
        """All at once; one by one where the server does not know one of them, which then is its own affair."""
        try:
            wanted = ", ".join("set_config(%s, %s, false)" for _ in settings)
            self._execute(f"SELECT {wanted}".encode(), [text for pair in settings.items() for text in pair])
        except self._errors.errors.UndefinedObject:
            if len(settings) > 1:
                for name, text in settings.items():
                    self._set({name: text})

    def settle_mode(self) -> None:
        """As the store was made, or will be. Raises StoreUnavailable: this URL asks for the other."""
        marked = reduced.is_marked(self)
        if marked is False and self._address.reduced:
            raise StoreUnavailable(
                f"the store {self._address.shown} was not made in the reduced mode, and a store keeps the mode it was made in: "
                "take `mode=reduced` out of store.url, or move it with `gateway store copy --to` the URL of another database"
            )
        self.reduced = self._address.reduced or (not reduced.locks_exclude(self) if marked is None else marked)

    def now(self) -> int | None:
        """The frozen time of a test, or None: the server's."""
        return None if self._clock is None else self._clock.ms()

    look_at_clock = now

    def rows(self, sql: str, values: Mapping[str, object] | None = None) -> Sequence[Columns]:
        cursor = self._run_statement(sql, values)
        return cursor.fetchall() if cursor.description else ()

    def change(self, sql: str, values: Mapping[str, object] | None = None) -> int:
        return self._run_statement(sql, values).rowcount

    def _run_statement(self, sql: str, values: Mapping[str, object] | None) -> Cursor[Columns]:
        if ":now" in sql:
            values = {"now": self.now(), **(values or {})}
        return self._execute(translate(sql).encode(), values)

    def _execute(
        self, text: str | bytes, values: Values | None = None, *, binary: bool = False, prepare: bool | None = None
    ) -> Cursor[Columns]:
        """A statement, run again where it is a transaction of its own that could not be put in order beside others."""
        reruns = 0
        while True:
            try:
                return self._send(text, values, binary=binary, prepare=prepare)
            except self._errors.OperationalError as error:
                if self.under_way or self.trouble(error) is not Trouble.AGAIN or not pause(reruns := reruns + 1, error):
                    raise

    def _send(
        self, text: str | bytes, values: Values | None = None, *, binary: bool = False, prepare: bool | None = None
    ) -> Cursor[Columns]:
        """Every statement passes here: it ends within its time, or its connection does."""
        with DEADLINES.ends_within(self.connection.fileno(), self._seconds):
            return self.connection.execute(text, values, binary=binary, prepare=prepare)

    def raw(self, sql: bytes, values: Mapping[str, object], *, prepare: bool | None = None) -> Sequence[Columns]:
        """A statement in psycopg's own spelling, with `now` given. `prepare=False`: planned anew, as the settings are now."""
        given = {"now": self.now(), **values}
        return self._execute(sql, given, binary=True, prepare=prepare).fetchall()

    def put_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Insert many rows of a table in the open transaction."""
        text = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        with (
            DEADLINES.ends_within(self.connection.fileno(), self._seconds),
            self.connection.cursor() as cursor,
            cursor.copy(text) as copy,
        ):
            for row in rows:
                copy.write_row(row)

    @contextmanager
    def atomic(self) -> Iterator[None]:
        if self.under_way:
            yield
            return
        self._send(self._begin)
        try:
            yield
            self._send(
                "COMMIT"
            )  # once: after a COMMIT that failed another one would do nothing, and say that it is well
        except BaseException:
            self.rollback()
            raise

    @property
    def under_way(self) -> bool:
        """Whether a transaction has begun."""
        return bool(self.connection.info.transaction_status != self._errors.pq.TransactionStatus.IDLE)

    @contextmanager
    def along_keys(self) -> Iterator[None]:
        with self.atomic():
            self._execute(_ALONG_KEYS)
            yield

    def lock(self, names: Collection[str]) -> None:
        if self.reduced:
            self.rows(reduced.TAKE, {"slots": reduced.slots_of(names)})
            return
        self.raw(
            b"SELECT pg_advisory_xact_lock(k) IS NULL FROM (SELECT DISTINCT hashtextextended(name, 0) AS k "
            b"FROM unnest(%(names)b::text[]) AS name ORDER BY k) AS names",
            {"names": list(names)},
        )

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self.atomic():
            # Without the lock nine of ten starters that migrate at once fail with a unique violation. The wait may be
            # longer than a statement's usual bound, because another's migration may be, but not without end, because
            # another may hang.
            usual, self._seconds = self._seconds, MIGRATION_SECONDS
            try:
                self._execute("SET LOCAL statement_timeout = 0")
                self._execute(f"SET LOCAL lock_timeout = '{_MIGRATION_WAIT}'".encode())
                if not self.reduced:
                    self._execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
                elif reduced.is_marked(self):
                    self.lock({"migration"})
                yield
            finally:
                self._seconds = usual

    def rollback(self) -> None:
        if self.connection.info.transaction_status != self._errors.pq.TransactionStatus.IDLE:
            with suppress(self._errors.Error):
                self._send("ROLLBACK")

    def trouble(self, error: BaseException) -> Trouble:
        if isinstance(error, (OverflowError, UnicodeEncodeError)):
            return Trouble.ITEM
        if not isinstance(error, self._errors.Error):
            return Trouble.BUG
        state = getattr(error, "sqlstate", None) or ""
        if self.connection.closed or self.connection.broken:
            return Trouble.LOST
        if state in ("40001", "40P01"):
            return Trouble.AGAIN
        if state == "23503":
            return Trouble.GONE
        if state in _DAMAGED:
            return Trouble.DAMAGED
        if state[:2] in ("22", "23", "54") or (not state and isinstance(error, self._errors.DataError)):
            return Trouble.ITEM
        return Trouble.STORE

    def passes(self, error: BaseException) -> bool:
        return getattr(error, "sqlstate", None) in _PASSING or self.trouble(error) is Trouble.LOST

    def explain(self, error: BaseException) -> str:
        # The primary message alone: DETAIL repeats keys and rows; and libpq repeats what it was given.
        diag = getattr(error, "diag", None)
        text = (diag.message_primary if diag is not None else None) or str(error)
        if isinstance(error, ValueError) or (
            type(error).__name__ == "ProgrammingError" and not getattr(error, "sqlstate", None)
        ):
            text = "an option of the URL cannot be read"
        text = " ".join(self._address.redact(text).split())[:300]
        state = getattr(error, "sqlstate", None)
        if state in _DAMAGED:
            return f"a page of the database is damaged ({state}: {text}): restore a backup, or copy what can be read (pg_dump)"
        return f"{text} ({state})" if state else text

    def notify(self, who: str, sinks: Sequence[str]) -> None:
        """Tell the other gateways that rows of these sinks wait. After the commit, because NOTIFY inside takes a lock."""
        if not self.reduced:
            self._execute(
                "SELECT pg_notify(%s, %s || ' ' || s) FROM unnest(%s::text[]) AS s", (CHANNEL, who, list(sinks))
            )

    def check(self) -> None:
        """A connection has no file that could go."""

    def close(self) -> None:
        if self._watched:
            self._watched = False
            DEADLINES.remove()
        with suppress(Exception):
            self.connection.close()
