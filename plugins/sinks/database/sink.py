"""Writes events into a database: once, however often it is called, and without hurting a batch for one of its rows."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import os
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from gateway import (
    Delivery,
    DeliveryFailed,
    DeliveryResult,
    Done,
    Event,
    Refused,
    Retry,
    Sink,
    Unavailable,
    computed,
    format_time,
    visible_json,
)
from gateway.extras import how_to_install, missing
from plugins.sinks.database import own_table
from plugins.sinks.database.address import DatabaseAddress, parse
from plugins.sinks.database.column_map import Mapped, names_event_id, names_index
from plugins.sinks.database.options import DatabaseOptions
from plugins.sinks.database.own_table import Standard

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.ext.asyncio import AsyncEngine

    from plugins.sinks.database.inspection import Ready
ROWS_AT_ONCE_MAX: Final = 200  # rows of one call into the driver: what binds them works on the loop
_CLOSE_SECONDS: Final = 3.0  # seconds for closing connections
_TABLE_TRUSTED_SECONDS: Final = 60.0  # seconds that what was seen of the table is believed against a row
_DRIVERS: Final = {"sqlite": "aiosqlite", "postgresql": "psycopg", "mysql": "aiomysql"}
_INSTALL: Final = how_to_install("database")


class _Rows(Protocol):
    def rows(self, event: Event) -> list[dict[str, object]]: ...


class Database(Sink):
    """One row an event or a file. The same event again leaves the same row."""

    type = "database"
    Options = DatabaseOptions
    options: DatabaseOptions
    _engine: AsyncEngine | None = None
    _ready: Ready | None = None

    async def open(self) -> None:
        """Connect, make the table where that is wanted, and check that rows fit. Raises Unavailable with every reason."""
        try:
            await asyncio.to_thread(_import, self._address.dialect)
        except ImportError as error:
            raise Unavailable(f"{error.name or 'a library'} is not installed; {_INSTALL}") from None
        if self._engine is None:
            self._engine = self._make_engine()
        try:
            self._ready = await self._inspect_once()
        except DeliveryFailed:
            raise
        except Exception as error:
            failure = self._judge(error)
            raise failure if not isinstance(failure, Refused) else Unavailable(failure.detail) from None

    def _make_engine(self) -> AsyncEngine:
        from plugins.sinks.database.engine import make_engine

        password = self.options.password
        try:
            return make_engine(self._address, password.reveal() if password else None, self.options.connections)
        except (OSError, ValueError) as error:  # ssl.SSLError is one
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise Unavailable(f"{self._address.shown}: its certificates cannot be used: {reason}") from None

    async def close(self) -> None:
        """Close the connections, waiting for what runs on them no longer than three seconds."""
        engine, self._engine, self._ready = self._engine, None, None
        if engine is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await engine.dispose()

    async def deliver(self, delivery: Delivery) -> str | Done | None:
        """Raises Refused, Retry and Unavailable."""
        [result] = await self.deliver_batch([delivery])
        if isinstance(result, Exception):
            raise result
        return result

    async def deliver_batch(self, deliveries: Sequence[Delivery]) -> Sequence[DeliveryResult]:
        """All of them in one transaction; where one spoils that, each in one of its own."""
        ready, fitting, results = await self._all_fitted(deliveries)
        failure = await self._try(ready, [row for rows in fitting.values() for row in rows])
        for number, rows in fitting.items():
            if failure is not None and len(fitting) > 1 and not _concerns_all(failure):
                own = await self._try(ready, rows)
            else:
                own = failure
            results[number] = own or f"{len(rows)} row{'s' if len(rows) > 1 else ''}"
            failure = own if own is not None and _concerns_all(own) else failure
        return [results[number] for number in range(len(deliveries))]

    async def preview(self, delivery: Delivery) -> str:
        """The rows, before they are fitted into the table's types: the database is not asked."""
        rows = await computed(lambda: self._rows.rows(delivery.event), [delivery.event])
        lines = [f"{self._address.shown}, table {self.options.table}, key ({', '.join(self._key)})"]
        for number, row in enumerate(rows, 1):
            lines += ["", f"row {number} of {len(rows)}"]
            lines += [f"  {name} = {_parameter_text(value)}" for name, value in row.items()]
        return "\n".join(lines)

    # -- before the first row

    async def _inspect_once(self) -> Ready:
        from plugins.sinks.database.inspection import Misfit, inspect_table

        assert self._engine is not None
        try:
            return await inspect_table(
                self._engine,
                self.options,
                dialect=self._address.dialect,
                where=self._address.shown,
                key=self._key,
                rows_of=self._rows.rows,
                now=self.http.clock.monotonic(),
            )
        except Misfit as misfit:
            self.log.error("table_does_not_fit", table=self.options.table, problems=list(misfit.problems))
            raise

    # -- rows

    async def _all_fitted(
        self, deliveries: Sequence[Delivery]
    ) -> tuple[Ready, dict[int, list[dict[str, object]]], dict[int, DeliveryResult]]:
        """By position: the rows of those that fit, and why the others do not."""
        if self._ready is None:
            await self.open()
        assert self._ready is not None
        while True:
            ready = self._ready
            events = [delivery.event for delivery in deliveries]
            fitting, refused = await computed(functools.partial(self._fit, events, ready), events)
            if not refused or self.http.clock.monotonic() - ready.looked_at < _TABLE_TRUSTED_SECONDS:
                return ready, fitting, refused
            await self.open()  # because somebody may have widened a column since

    def _fit(
        self, events: Sequence[Event], ready: Ready
    ) -> tuple[dict[int, list[dict[str, object]]], dict[int, DeliveryResult]]:
        from plugins.sinks.database.table_fit import fitted

        fitting: dict[int, list[dict[str, object]]] = {}
        refused: dict[int, DeliveryResult] = {}
        for number, event in enumerate(events):
            try:
                fitting[number] = fitted(self._rows.rows(event), ready.table, ready.key, self._address.dialect)
            except Refused as failure:
                refused[number] = failure
        return fitting, refused

    async def _try(self, ready: Ready, rows: Sequence[dict[str, object]]) -> DeliveryFailed | None:
        """Write these rows in one transaction, or say why not."""
        if not rows:
            return None
        from plugins.sinks.database.faults import is_broken_connection

        # In order of their key, so that two gateways do not wait for each other's rows.
        ordered = rows if len(rows) == 1 else await asyncio.to_thread(_in_order, rows, ready.key)
        error = await self._error_of_writing(ready.statement, ordered)
        if error is not None and is_broken_connection(error):
            error = await self._error_of_writing(ready.statement, ordered)  # over a fresh one
        if error is None:
            return None
        failure = self._judge(error)
        if isinstance(failure, Unavailable):
            await self._forget()
        return failure

    async def _error_of_writing(self, statement: sa.Executable, rows: Sequence[dict[str, object]]) -> Exception | None:
        try:
            await self._write(statement, rows)
        except Exception as error:
            return error
        return None

    async def _forget(self) -> None:
        """Look at the table again before the next row; a SQLite file also, because another may stand in its place."""
        self._ready = None
        if self._address.dialect == "sqlite" and self._engine is not None:
            await self._engine.dispose()

    async def _write(self, statement: sa.Executable, rows: Sequence[dict[str, object]]) -> None:
        if self._engine is None:
            raise Retry("the sink is closed")
        async with self._engine.begin() as connection:
            for start in range(0, len(rows), ROWS_AT_ONCE_MAX):
                some = rows[start : start + ROWS_AT_ONCE_MAX]
                await connection.execute(statement, some if len(some) > 1 else some[0])

    def _judge(self, error: Exception) -> DeliveryFailed:
        from plugins.sinks.database.faults import judge

        if isinstance(error, DeliveryFailed):
            return error
        folder = self._address.path.parent
        if self._address.dialect == "sqlite" and not os.path.isdir(folder):
            where = self._address.shown
            return Unavailable(f"{where}: SQLITE_CANTOPEN: its folder {folder.name!r} is not there: make it")
        return judge(error, self._address.shown, self._ready.table.columns.keys() if self._ready else ())

    # -- what the options mean

    @functools.cached_property
    def _address(self) -> DatabaseAddress:
        return parse(self.options.url)

    @functools.cached_property
    def _rows(self) -> _Rows:
        options = self.options
        if options.columns is None:
            return Standard(options.rows, options.key, self.http.clock.now)
        return Mapped(options.columns, files=options.rows == "file")

    @functools.cached_property
    def _key(self) -> tuple[str, ...]:
        options = self.options
        if options.columns is None:
            return own_table.primary_key(options.rows, options.key)
        return options.key or tuple(
            name for name, text in options.columns.items() if names_event_id(text) or names_index(text)
        )

    def advice(self) -> list[str]:
        """What a careful reviewer would say about these options."""
        advice = []
        if self._address.goes_in_clear:
            option = "sslmode=verify-full" if self._address.dialect == "postgresql" else "ssl_mode=verify_identity"
            advice.append(f"without {option} in the URL anybody on the way may read and change what is written")
        return advice

    async def connect(self) -> str:
        """`open` has logged in and looked at the table already."""
        return f"logged in; the {self._address.dialect} table fits"

    def missing(self) -> Sequence[str]:
        """The driver of the database that the URL names."""
        return missing("database", "sqlalchemy", "greenlet", _DRIVERS[self._address.dialect])


def _in_order(rows: Sequence[dict[str, object]], key: Sequence[str]) -> list[dict[str, object]]:
    return sorted(rows, key=lambda row: [str(row[name]) for name in key])


def _parameter_text(value: object) -> str:
    if value is None:
        return "null"
    return format_time(value) if isinstance(value, datetime) else visible_json(value)


def _concerns_all(failure: DeliveryFailed) -> bool:
    """Whether the next transaction would end the same way."""
    return isinstance(failure, Unavailable) or (isinstance(failure, Retry) and failure.service)


def _import(dialect: str) -> None:
    """In a thread, because SQLAlchemy takes half a second."""
    for name in ("sqlalchemy.ext.asyncio", "greenlet", _DRIVERS[dialect], "plugins.sinks.database.inspection"):
        importlib.import_module(name)
