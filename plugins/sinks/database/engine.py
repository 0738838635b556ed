"""The one engine of a sink: drivers told by arguments and never by a URL, so that no text of theirs holds a secret."""

from __future__ import annotations

import ssl
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway import client_context, require_libpq_files
from plugins.sinks.database.address import DatabaseAddress

_CONNECT_SECONDS: Final = 10  # seconds for one connection
_POOL_WAIT_SECONDS: Final = (
    300.0  # seconds for a free connection; because the attempt's own timeout is what should end first
)
_BUSY_SECONDS: Final = 5.0  # seconds that SQLite waits for another writer
# Strict, because MySQL otherwise cuts what does not fit and calls it a warning.
_MYSQL_SESSION: Final = (
    "SET SESSION sql_mode = CONCAT_WS(',', @@SESSION.sql_mode, 'STRICT_ALL_TABLES', 'ERROR_FOR_DIVISION_BY_ZERO'), "
    "time_zone = '+00:00'"
)


def make_engine(address: DatabaseAddress, password: str | None, connections: int) -> AsyncEngine:
    """Raises OSError and ssl.SSLError for certificates that cannot be read. Connects to nothing."""
    arguments: dict[str, object]
    if address.dialect == "sqlite":
        url, arguments, connections = (
            sa.URL.create("sqlite+aiosqlite", database=str(address.path)),
            {"timeout": _BUSY_SECONDS},
            1,
        )
    elif address.dialect == "postgresql":
        url, arguments = sa.URL.create("postgresql+psycopg"), _postgres(address, password)
    else:
        url, arguments = sa.URL.create("mysql+aiomysql"), _mysql(address, password)
    engine = create_async_engine(
        url,
        connect_args=arguments,
        hide_parameters=True,
        echo=False,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_POOL_WAIT_SECONDS,
    )
    if address.dialect == "postgresql":
        # before each connection, because libpq would wait on the loop for a pipe that took a certificate's place
        sa.event.listen(engine.sync_engine, "do_connect", lambda *_: require_libpq_files(address.parameters))
    return engine


def _postgres(address: DatabaseAddress, password: str | None) -> dict[str, object]:
    arguments: dict[str, object] = {
        "application_name": "recording-gateway",
        "connect_timeout": str(_CONNECT_SECONDS),
        "host": address.host,
        "port": address.port,
        "user": address.user,
        "password": password,
        **address.parameters,
        "dbname": address.database,
    }
    # Without prepared statements, because poolers in transaction mode lose them.
    return {**{name: value for name, value in arguments.items() if value}, "prepare_threshold": None}


def _mysql(address: DatabaseAddress, password: str | None) -> dict[str, object]:
    from plugins.sinks.database.mysql_tls import connect

    given = address.parameters
    arguments: dict[str, object] = {
        "host": address.host or "localhost",
        "port": int(address.port or 3306),
        "user": address.user or None,
        "password": password or "",
        "db": address.database,
        "charset": "utf8mb4",
        "init_command": _MYSQL_SESSION,
        "connect_timeout": int(given.get("connect_timeout", _CONNECT_SECONDS)),
        "unix_socket": given.get("unix_socket"),
        "ssl": tls_context(address),
        "async_creator_fn": connect,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def tls_context(address: DatabaseAddress) -> ssl.SSLContext | None:
    """MySQL's modes: encrypted at least where a mode or a file is named; checked from `verify_ca` on."""
    given = address.parameters
    default = "verify_identity" if "ssl_ca" in given else "required" if "ssl_cert" in given else "disabled"
    mode = given.get("ssl_mode", default).lower().replace("-", "_")
    if mode == "disabled":
        return None
    context = client_context(given.get("ssl_ca"), given.get("ssl_cert"), given.get("ssl_key"))
    context.check_hostname = mode == "verify_identity"
    if mode == "required":
        context.verify_mode = ssl.CERT_NONE
    return context
