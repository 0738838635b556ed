"""Connections to MySQL that do what was asked: aiomysql goes on in clear where the server offers no TLS, and tells any
server the password in clear that asks for it."""

from __future__ import annotations

from typing import Final

import aiomysql  # type: ignore[import-untyped]
from pymysql.constants import CLIENT  # type: ignore[import-untyped]
from pymysql.err import OperationalError  # type: ignore[import-untyped]

TLS_ERROR: Final = 2026  # MySQL's own number for a TLS connection that failed
_CLEAR: Final = "mysql_clear_password"


class CarefulConnection(aiomysql.Connection):  # type: ignore[misc]
    """Leaves before it says too much."""

    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        if self._ssl_context is not None and not self.server_capabilities & CLIENT.SSL:
            raise OperationalError(TLS_ERROR, "the server offers no TLS; ssl_mode=disabled goes without")
        if self._server_auth_plugin == _CLEAR:
            self._refuse_clear()

    async def _process_auth(self, plugin_name: bytes, auth_packet: object) -> object:
        if plugin_name == _CLEAR.encode():
            self._refuse_clear()
        return await super()._process_auth(plugin_name, auth_packet)

    def _refuse_clear(self) -> None:
        if self._ssl_context is None:
            raise OperationalError(TLS_ERROR, "the server wants the password in clear; use ssl_mode=verify_identity")


async def connect(**arguments: object) -> CarefulConnection:
    """Like aiomysql.connect. Raises OperationalError."""
    connection = CarefulConnection(**arguments)
    await connection._connect()
    return connection
