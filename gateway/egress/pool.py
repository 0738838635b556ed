"""Connections to targets that are reached the same way: httpx's API over aiohttp's connections. Heavy to import."""

from __future__ import annotations

import asyncio
import base64
import functools
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from gateway.runtime import lean_imports

lean_imports.import_httpx()

import aiohttp  # noqa: E402
import httpx  # noqa: E402
import yarl  # noqa: E402
from aiohttp.abc import AbstractResolver, ResolveResult  # noqa: E402
from httpx_aiohttp.transport import AiohttpTransport  # noqa: E402

from gateway.egress import faults  # noqa: E402
from gateway.egress.answers import Answer  # noqa: E402
from gateway.egress.guard import AddressGuard, Forbidden  # noqa: E402
from gateway.errors import Unavailable  # noqa: E402

if TYPE_CHECKING:
    from gateway.egress.via import Via
    from gateway.runtime.clock import Clock

KEEP_ALIVE: Final = 4.0  # seconds; below the 5 s after which common servers close, so that we do not write into a close


class Target(NamedTuple):
    """A URL in each form that a request needs."""

    url: httpx.URL
    wire: yarl.URL
    host: str  # what the Host header says
    origin: str  # host:port, for texts


@functools.lru_cache(maxsize=256)  # because parsing costs as much as the rest of our own work
def target_of(url: str) -> Target:
    """Raises what faults.EXPECTED lists."""
    parsed = httpx.URL(url)
    host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    origin = f"{host}:{parsed.port or (443 if parsed.scheme == 'https' else 80)}"
    # as httpx has written it: a second encoding could change a signed query
    return Target(parsed, yarl.URL(str(parsed), encoded=True), parsed.netloc.decode("ascii"), origin)


class Answered(NamedTuple):
    """What came back: at most as many bytes as were asked for, as they came, and whether there was more."""

    status: int
    headers: httpx.Headers
    body: bytes
    truncated: bool


class Wire(Protocol):
    """Where requests go."""

    async def exchange(
        self, method: str, target: Target, headers: Mapping[str, str], content: bytes | None, limit: int
    ) -> Answered: ...

    async def aclose(self) -> None: ...


class Pool:
    """The connections of one Via, over TLS or not."""

    def __init__(self, wire: Wire, guard: AddressGuard | None) -> None:
        self._wire = wire
        self._guard = guard

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
        try:
            target = target_of(url)
            if params:
                target = target_of(str(target.url.copy_merge_params(dict(params))))
            if self._guard is not None:
                self._guard.check_url(target.url)
            framed = {"host": target.host, **headers}
            if content is not None or method in ("POST", "PUT", "PATCH"):
                framed["content-length"] = str(len(content or b""))
            if not "".join((*framed, *framed.values())).isascii():
                raise ValueError(
                    "a header that is not ASCII"
                )  # aiohttp would send it as UTF-8, which HTTP does not know
            status, received, body, truncated = await self._wire.exchange(method, target, framed, content, limit)
        except faults.EXPECTED as error:
            raise faults.explain(error, self.origin(url)) from None
        return Answer(
            status=status, headers=received, body=body, truncated=truncated, origin=target.origin, now=clock.now()
        )

    def origin(self, url: str) -> str:
        """host:port of a URL, for texts; never its path, query or user-info."""
        try:
            return target_of(url).origin
        except faults.EXPECTED:
            return "an unreadable URL"

    async def close(self) -> None:
        await self._wire.aclose()


class Transport(AiohttpTransport):
    """httpx-aiohttp's transport with a short way past httpx's request, response and stream.

    These and the client above them (cookies, redirects, time-outs) cost 40 of 90 µs a request, and none is needed here:
    the headers are written already, time is bounded above.
    """

    async def exchange(
        self, method: str, target: Target, headers: Mapping[str, str], content: bytes | None, limit: int
    ) -> Answered:
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        proxy = self.proxy
        response = await self.client.request(
            method,
            target.wire,
            headers=headers,
            data=content or None,
            allow_redirects=False,
            proxy=str(proxy.url) if proxy else None,
            proxy_headers=proxy.headers if proxy else None,
        )
        async with response:
            body, truncated = await _read(response.content.iter_any(), limit)
        return Answered(response.status, httpx.Headers(list(response.raw_headers)), body, truncated)


class Borrowed:
    """A transport of httpx that a test handed in and closes itself."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def exchange(
        self, method: str, target: Target, headers: Mapping[str, str], content: bytes | None, limit: int
    ) -> Answered:
        request = httpx.Request(method, target.url, headers=dict(headers), stream=httpx.ByteStream(content or b""))
        request.read()  # so that the transport finds bytes, not a stream
        response = await self._transport.handle_async_request(request)
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        try:
            body, truncated = await _read(aiter(stream), limit)
        finally:
            await stream.aclose()
        return Answered(response.status_code, response.headers, body, truncated)

    async def aclose(self) -> None:
        return


async def _read(chunks: AsyncIterator[bytes], limit: int) -> tuple[bytes, bool]:
    """At most `limit` bytes as they came (nothing is decompressed), and whether there was more."""
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > limit:
            break
    return b"".join(parts)[:limit], size > limit


Lookup = Callable[[str, int, socket.AddressFamily], Awaitable[Sequence[tuple[Any, ...]]]]


async def _getaddrinfo(host: str, port: int, family: socket.AddressFamily) -> Sequence[tuple[Any, ...]]:
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


async def open_pool(
    via: Via, secure: bool, transport: httpx.AsyncBaseTransport | None, *, lookup: Lookup = _getaddrinfo
) -> Pool:
    """Raises Unavailable where a certificate or authority file cannot be read."""
    if transport is not None:
        return Pool(Borrowed(transport), via.guard)
    if via.uds is not None and (secure or via.proxy):
        raise Unavailable("a unix socket is spoken to in plain http and without a proxy")  # aiohttp would leave TLS out
    proxied = bool(via.proxy and via.proxy.lower().startswith("https:"))
    try:
        context = await asyncio.to_thread(_tls, via) if secure or proxied else _no_tls()
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or getattr(error, "reason", None) or type(error).__name__
        raise Unavailable(f"the TLS files of this target cannot be used: {reason}") from None

    def session() -> aiohttp.ClientSession:
        # limit=0, because every sink's concurrency is the limit
        connector: aiohttp.BaseConnector
        if via.uds is not None:
            connector = aiohttp.UnixConnector(str(via.uds), limit=0, keepalive_timeout=KEEP_ALIVE)
        else:
            connector = aiohttp.TCPConnector(
                ssl=context,
                limit=0,
                keepalive_timeout=KEEP_ALIVE,
                resolver=GuardedResolver(via.guard, lookup) if via.guard else None,
                use_dns_cache=via.guard is None,  # a guarded name is judged each time it is resolved
                ttl_dns_cache=10,
            )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )

    proxy = _proxy(via.proxy, secure) if via.proxy else None
    return Pool(Transport(verify=context, client=session, proxy=proxy, trust_env=False), via.guard)


def _proxy(text: str, secure: bool) -> httpx.Proxy:
    """The proxy with its credentials as a header, because aiohttp is giving up its own type for them.

    For a CONNECT the header goes out as it is; for a plain request aiohttp takes `Authorization` and renames it.
    """
    named = httpx.Proxy(text)
    if named.auth is None:
        return named
    credentials = base64.b64encode(":".join(named.auth).encode()).decode()
    name = "Proxy-Authorization" if secure else "Authorization"
    return httpx.Proxy(named.url, headers={name: f"Basic {credentials}"})


def _no_tls() -> ssl.SSLContext:
    """A context that trusts nobody, for connections that use none: loading the system's authorities takes 20 ms."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _tls(via: Via) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=via.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if via.ca is None and not context.cert_store_stats()["x509_ca"]:
        import certifi

        context.load_verify_locations(certifi.where())  # a slim image may have no authorities of its own
    if not via.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if via.certificate is not None:
        context.load_cert_chain(via.certificate, via.key)
    return context


class GuardedResolver(AbstractResolver):
    """Resolves a name once and hands out its addresses only if every one of them may be called.

    aiohttp then connects to these addresses and keeps the name for Host and SNI: nothing is resolved again.
    """

    def __init__(self, guard: AddressGuard, lookup: Lookup = _getaddrinfo) -> None:
        self._guard = guard
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises Forbidden, or the OSError of a failed look-up."""
        if "\0" in host:
            raise Forbidden("a host name with a NUL may not be called")  # getaddrinfo would cut it there
        found = await self._lookup(host, port, family)
        if not found:
            raise OSError(None, f"{host} has no address")
        results: list[ResolveResult] = []
        for kind, _, proto, _, place in found:
            self._guard.check(ipaddress.ip_address(place[0]))
            results.append(
                ResolveResult(
                    hostname=host, host=place[0], port=place[1], family=kind, proto=proto, flags=socket.AI_NUMERICHOST
                )
            )
        return results

    async def close(self) -> None:
        return
