"""Resolves names for targets whose addresses are judged: once, and nothing is connected to that was not looked at."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.egress.guard import AddressGuard, Forbidden

Lookup = Callable[[str, int, socket.AddressFamily], Awaitable[Sequence[tuple[Any, ...]]]]


async def getaddrinfo(host: str, port: int, family: socket.AddressFamily) -> Sequence[tuple[object, ...]]:
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


class GuardedResolver(AbstractResolver):
    """Resolves a name once and hands out its addresses only if every one of them may be called.

    aiohttp then connects to these addresses and keeps the name for Host and SNI: nothing is resolved again.
    """

    def __init__(self, guard: AddressGuard, lookup: Lookup = getaddrinfo) -> None:
        self._guard = guard
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises Forbidden, or the OSError of a failed look-up."""
        if "\0" in host:
            raise Forbidden("a host name with a NUL may not be called")  # getaddrinfo would cut it there
        addresses = await self._lookup(host, port, family)
        if not addresses:
            raise OSError(None, f"{host} has no address")
        results: list[ResolveResult] = []
        for kind, _, proto, _, place in addresses:
            self._guard.check(ipaddress.ip_address(place[0]))
            results.append(
                ResolveResult(
                    hostname=host, host=place[0], port=place[1], family=kind, proto=proto, flags=socket.AI_NUMERICHOST
                )
            )
        return results

    async def close(self) -> None:
        return
