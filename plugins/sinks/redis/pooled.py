"""A client of one Redis. Redis has no goodbye: a connection that is left is closed at once, whatever its library waits for."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, Final

import redis.asyncio
from redis.asyncio.connection import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from gateway import require_regular
from plugins.sinks.redis.options import RedisOptions
from plugins.sinks.streams.broker_connection import BrokerConnection, cut
from plugins.sinks.streams.connection_keeper import CONNECT_SECONDS

_HEALTH_SECONDS: Final = 20  # seconds without a command, after which a connection is tried before it is used


class _Cut(Connection):
    """One of the pool's."""

    async def disconnect(self, *given: Any, **named: Any) -> None:
        """Also where the library drops it, because an attempt was cut off in it."""
        cut(self._writer)
        await super().disconnect(*given, **named)

    def __del__(self, *given: object) -> None:
        """One that was cut is closed, also where nobody told its library so."""
        writer = getattr(self, "_writer", None)
        if writer is not None and writer.is_closing():
            self._writer = None
        super().__del__(*given)


class _CutEncrypted(_Cut, SSLConnection):
    def _connection_arguments(self) -> Mapping[str, object]:
        """With the files of this moment, which the library reads on the loop: one that became a pipe would be waited for."""
        tls = self.ssl_context
        for name, file in (("ca", tls.ca_certs), ("certificate", tls.certfile), ("key", tls.keyfile)):
            if file is not None and tls.context is None:
                require_regular(file, f"`{name}`")
        return super()._connection_arguments()


class RedisConnection(BrokerConnection):
    """`client` makes as many connections as there are commands at once."""

    def __init__(self, options: RedisOptions) -> None:
        [endpoint] = options.endpoints
        self.client = redis.asyncio.Redis(
            host=endpoint.host,
            port=endpoint.port,
            db=options.database,
            username=options.username,
            password=options.password.reveal() if options.password else None,
            client_name="recording-gateway",
            protocol=2,  # because the third knows messages that lead to other addresses
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=None,  # the attempt's own timeout ends it
            socket_keepalive=True,
            health_check_interval=_HEALTH_SECONDS,
            retry=Retry(NoBackoff(), 0),  # the gateway has a schedule for this
            **_encrypted(options),
        )
        self.client.connection_pool.connection_class = _CutEncrypted if options.secure else _Cut

    @property
    def lives(self) -> bool:
        """Its pool tries a connection before it gives it out."""
        return True

    async def open(self) -> None:
        """Make one connection. Raises what the library raises."""
        await self.client.ping()

    async def end_connection(self) -> None:
        """Close those that are idle."""
        await self.client.aclose()

    def abort(self) -> None:
        """Close them all; who waits in one hears that it is closed."""
        pool = self.client.connection_pool
        for connection in (*pool._available_connections, *pool._in_use_connections):
            cut(connection._writer)


def _encrypted(options: RedisOptions) -> dict[str, Any]:
    if not options.secure:
        return {}
    files = {"ssl_ca_certs": options.ca, "ssl_certfile": options.certificate, "ssl_keyfile": options.key}
    return {
        "ssl": True,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
        **{name: str(path) for name, path in files.items() if path is not None},
    }
