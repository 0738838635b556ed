"""Connections to MySQL that are encrypted or are not made: aiomysql goes on in clear where the server offers no TLS."""

from __future__ import annotations

from typing import Any, Final

import aiomysql  # type: ignore[import-untyped]
from pymysql.constants import CLIENT  # type: ignore[import-untyped]
from pymysql.err import OperationalError  # type: ignore[import-untyped]

TLS_ERROR: Final = 2026  # MySQL's own number for a TLS connection that failed


class EncryptedConnection(aiomysql.Connection):  # type: ignore[misc]
    """Leaves before it says who it is."""

    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        if not self.server_capabilities & CLIENT.SSL:
            raise OperationalError(TLS_ERROR, "the server offers no TLS; ssl_mode=disabled goes without")


async def connect(**arguments: Any) -> EncryptedConnection:
    """Like aiomysql.connect, with `ssl`. Raises OperationalError."""
    connection = EncryptedConnection(**arguments)
    await connection._connect()
    return connection
