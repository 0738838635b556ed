"""Real databases for the sink: a SQLite file, the session's PostgreSQL, and a MariaDB where one listens."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway import Http
from gateway.testing import FrozenClock
from gateway.testing.sinks import _log
from plugins.sinks.database import Database

_databases = count(1)


class Place:
    """One empty database: its `url` for the sink, and a second way in for the test."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind = kind
        self.url = url

    def _connect(self) -> Any:
        if self.kind == "sqlite":
            return sqlite3.connect(urlsplit(self.url).path[1:], isolation_level=None, timeout=0.1)
        if self.kind == "postgresql":
            import psycopg

            return psycopg.connect(self.url, autocommit=True)
        import pymysql  # type: ignore[import-untyped]

        parts = urlsplit(self.url)
        return pymysql.connect(
            host=parts.hostname,
            port=parts.port or 3306,
            user=parts.username,
            database=parts.path[1:],
            autocommit=True,
            ssl_disabled=True,
        )

    def run(self, *statements: str) -> list[dict[str, Any]]:
        """The rows of the last statement, by column."""
        connection = self._connect()
        try:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []
        finally:
            connection.close()


def mariadb() -> Any:
    """A connection to the server, or why the test is skipped."""
    import pymysql

    try:
        # without TLS, because a context of it is made for every connection and costs more than the rest of a test
        return pymysql.connect(host="127.0.0.1", user="root", autocommit=True, connect_timeout=3, ssl_disabled=True)
    except pymysql.err.OperationalError:
        pytest.skip("no MariaDB at 127.0.0.1:3306 that lets root in without a password")


@pytest.fixture
def mysql(request: pytest.FixtureRequest) -> Iterator[Place]:
    admin = mariadb()
    name = f"gateway_{os.getpid()}_{next(_databases)}"
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET latin1")  # the sink must not depend on the default
    yield Place("mysql", f"mysql://root@127.0.0.1:3306/{name}")
    with admin.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name}")
    admin.close()


@pytest.fixture
def postgres(postgres_url: str) -> Place:
    return Place("postgresql", postgres_url)


@pytest.fixture
def sqlite(tmp_path: Path) -> Place:
    return Place("sqlite", f"sqlite:///{tmp_path / 'events.db'}")


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each of the three in turn."""
    return request.getfixturevalue(request.param)


Making = Callable[..., AbstractAsyncContextManager[Database]]


@asynccontextmanager
async def making(
    url: str, *, clock: FrozenClock | None = None, logged: list[Any] | None = None, opened: bool = True, **options: Any
) -> AsyncIterator[Database]:
    http = Http(clock=clock or FrozenClock())
    read = Database.Options.model_validate({"url": url, **options})
    sink = Database("db", read, http=http, log=_log([] if logged is None else logged))
    try:
        if opened:
            await sink.open()
        yield sink
    finally:
        await sink.close()
        await http.close()
