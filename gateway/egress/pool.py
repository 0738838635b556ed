"""The connections to targets that are reached the same way: makes httpx's requests, and answers of its responses. Heavy
to import."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from gateway.runtime import lean_imports

lean_imports.import_httpx()

import aiohttp  # noqa: E402
import httpx  # noqa: E402

from gateway.egress import faults, tls  # noqa: E402
from gateway.egress.answers import Answer  # noqa: E402
from gateway.egress.exchange import TCPConnector, UnixConnector  # noqa: E402
from gateway.egress.guard import AddressGuard  # noqa: E402
from gateway.egress.messages import ReadyRequest, ReadyResponse, target_of  # noqa: E402
from gateway.egress.resolver import GuardedResolver, Lookup, getaddrinfo  # noqa: E402
from gateway.egress.streamed import Streamed  # noqa: E402
from gateway.egress.transport import RESENT, Transport, read_up_to  # noqa: E402
from gateway.errors import Unavailable  # noqa: E402

if TYPE_CHECKING:
    from gateway.egress.via import Via
    from gateway.runtime.clock import Clock

SOCKET_PATH_BYTES_MAX: Final = 107  # what a unix address holds on Linux, without the NUL


class Pool:
    """The connections of one Via, over TLS or not; `transport` is ours, or one of httpx that somebody handed in."""

    def __init__(
        self, transport: httpx.AsyncBaseTransport, guard: AddressGuard | None, *, borrowed: bool = False
    ) -> None:
        self._transport = transport
        self._guard = guard
        self._borrowed = borrowed  # whoever handed it in closes it

    async def send(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str],
        content: bytes | None,
        limit: int,
        clock: Clock,
    ) -> Answer:
        """One request on one connection; raises only what faults.py makes of an exception."""
        request = self._request(method, url, params, headers, content)
        try:
            response = await self._transport.handle_async_request(request)
            whole = response.whole if isinstance(response, ReadyResponse) else None
            if whole is not None:  # as nearly every answer's: there is nothing to read or to close then
                body, truncated = whole[:limit], len(whole) > limit
            else:
                body, truncated = await _whole_body(response.stream, limit)
        except faults.EXPECTED as error:
            raise faults.network_failure(error, request.target.origin, resent=RESENT in request.extensions) from None
        return Answer(
            status=response.status_code,
            headers=response.headers,
            body=body,
            truncated=truncated,
            origin=request.target.origin,
            now=clock.now(),
            resent=RESENT in response.extensions,
        )

    async def begin_exchange(
        self, method: str, url: str, headers: Mapping[str, str], silence: float, clock: Clock
    ) -> Streamed:
        """One request, and its answer when its head is there. Whoever has it calls `give_back`."""
        request = self._request(method, url, None, headers, None)
        try:
            response = await self._transport.handle_async_request(request)
        except faults.EXPECTED as error:
            raise faults.network_failure(error, request.target.origin, resent=RESENT in request.extensions) from None
        assert isinstance(response.stream, httpx.AsyncByteStream)
        return Streamed(response.status_code, response.headers, response.stream, request.target.origin, silence, clock)

    def _request(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> ReadyRequest:
        try:
            target = target_of(url)
            if params:
                target = target_of(str(target.url.copy_merge_params(dict(params))))
            if self._guard is not None:
                self._guard.check_url(target.url)
            return ReadyRequest(method, target, headers, content)
        except faults.EXPECTED as error:
            raise faults.network_failure(error, self.origin(url)) from None

    def origin(self, url: str) -> str:
        """host:port of a URL, for texts; never its path, query or user-info."""
        try:
            return target_of(url).origin
        except faults.EXPECTED:
            return "an unreadable URL"

    async def close(self) -> None:
        if not self._borrowed:
            await self._transport.aclose()


async def _whole_body(stream: object, limit: int) -> tuple[bytes, bool]:
    assert isinstance(stream, httpx.AsyncByteStream)
    try:
        return await read_up_to(stream, limit)
    finally:
        await stream.aclose()


async def open_pool(
    via: Via, secure: bool, transport: httpx.AsyncBaseTransport | None, *, lookup: Lookup = getaddrinfo
) -> Pool:
    """Raises Unavailable where a certificate or authority file cannot be read."""
    if transport is not None:
        return Pool(transport, via.guard, borrowed=True)
    if via.uds is not None and (secure or via.proxy):
        raise Unavailable("a unix socket is spoken to in plain http and without a proxy")  # aiohttp would leave TLS out
    if via.uds is not None and (len(os.fsencode(via.uds)) > SOCKET_PATH_BYTES_MAX or "\0" in str(via.uds)):
        # loops and system cut it, and go to the socket of the shorter name
        raise Unavailable(f"the path of a unix socket has at most {SOCKET_PATH_BYTES_MAX} bytes and no NUL")
    proxied = bool(via.proxy and via.proxy.lower().startswith("https:"))
    try:
        context = await asyncio.to_thread(tls.context_of, via) if secure else tls.no_tls()
        proxy_tls = await asyncio.to_thread(tls.proxy_context_of, via) if proxied else None
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or getattr(error, "reason", None) or type(error).__name__
        raise Unavailable(f"the TLS files of this target cannot be used: {reason}") from None

    def connector(**keeping: object) -> aiohttp.BaseConnector:
        # limit=0, because every sink's concurrency is the limit
        if via.uds is not None:
            return UnixConnector(str(via.uds), limit=0, **keeping)
        hosts = TCPConnector(
            ssl=context,
            limit=0,
            resolver=GuardedResolver(via.guard, lookup) if via.guard else None,
            use_dns_cache=via.guard is None,  # a guarded name is judged each time it is resolved
            ttl_dns_cache=10,
            **keeping,
        )
        hosts.proxy_tls = proxy_tls
        return hosts

    return Pool(Transport(connector, proxy=_proxy(via.proxy) if via.proxy else None), via.guard)


def _proxy(text: str) -> httpx.Proxy:
    """The proxy with its credentials as a header, because aiohttp is giving up its own type for them."""
    named = httpx.Proxy(text)
    if named.auth is None:
        return named
    credentials = base64.b64encode(":".join(named.auth).encode()).decode()
    return httpx.Proxy(named.url, headers={"Proxy-Authorization": f"Basic {credentials}"})
