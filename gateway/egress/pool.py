"""Connections to targets that are reached the same way: httpx's API over aiohttp's connections. Heavy to import."""

from __future__ import annotations

import asyncio
import base64
import functools
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from gateway import lean

lean.import_httpx()

import aiohttp  # noqa: E402
import httpx  # noqa: E402
import yarl  # noqa: E402
from aiohttp.abc import AbstractResolver, ResolveResult  # noqa: E402
from httpx_aiohttp.transport import AiohttpResponseStream, AiohttpTransport, map_aiohttp_exceptions  # noqa: E402

from gateway.egress import faults  # noqa: E402
from gateway.egress.answers import Answer  # noqa: E402
from gateway.egress.guard import AddressGuard, Forbidden  # noqa: E402
from gateway.errors import Unavailable  # noqa: E402

if TYPE_CHECKING:
    from gateway.clock import Clock
    from gateway.egress.client import Via

KEEP_ALIVE: Final = 4.0  # seconds; below the 5 s after which common servers close, so that we do not write into a close

parse_url = functools.lru_cache(maxsize=256)(httpx.URL)  # because parsing costs as much as the rest of our own work


class Pool:
    """The connections of one Via, over TLS or not."""

    def __init__(self, transport: httpx.AsyncBaseTransport, guard: AddressGuard | None) -> None:
        self._transport = transport
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
        """One request on one connection; raises only what faults.py makes of an exception.

        The transport is called without httpx's client above it, because that one keeps cookies, follows redirects,
        and costs half of a delivery's time.
        """
        try:
            target = parse_url(url)
            if params:
                target = target.copy_merge_params(dict(params))
            if self._guard is not None:
                self._guard.check_url(target)
            request = _request(method, target, headers, content)
            response = await self._transport.handle_async_request(request)
            body, truncated = await _read(response, limit)
        except faults.EXPECTED as error:
            raise faults.explain(error, self.origin(url)) from None
        return Answer(
            status=response.status_code,
            headers=response.headers,
            body=body,
            truncated=truncated,
            origin=_origin(target),
            now=clock.now(),
        )

    def origin(self, url: str) -> str:
        """host:port of a URL, for texts; never its path, query or user-info."""
        try:
            return _origin(parse_url(url))
        except faults.EXPECTED:
            return "an unreadable URL"

    async def close(self) -> None:
        await self._transport.aclose()


def _request(method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes | None) -> httpx.Request:
    """A request whose Host and length are written here, because httpx takes twice the time to find the same."""
    framed = {"host": url.netloc.decode("ascii"), **headers}
    if content is not None or method in ("POST", "PUT", "PATCH"):
        framed["content-length"] = str(len(content or b""))
    stream = httpx.ByteStream(content or b"")
    request = httpx.Request(method, url, headers=framed, stream=stream, extensions={"fields": framed})
    request.read()  # so that the transport finds bytes, not a stream
    return request


class Transport(AiohttpTransport):
    """httpx-aiohttp's transport without what every request would pay for and none here needs.

    The headers go to aiohttp as they are in the request's extension `fields`; time is bounded above.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        proxy = self.proxy
        with map_aiohttp_exceptions():
            response = await self.client.request(
                request.method,
                _target(request.url),
                headers=request.extensions["fields"],
                data=request.content or None,
                allow_redirects=False,
                proxy=str(proxy.url) if proxy else None,
                proxy_headers=proxy.headers if proxy else None,
            )
        stream = AiohttpResponseStream(response)
        return httpx.Response(response.status, headers=response.raw_headers, stream=stream, request=request)


@functools.lru_cache(maxsize=256)
def _target(url: httpx.URL) -> yarl.URL:
    return yarl.URL(str(url), encoded=True)  # as httpx has written it: a second encoding could change a signed query


def _origin(url: httpx.URL) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}"


async def _read(response: httpx.Response, limit: int) -> tuple[bytes, bool]:
    """At most `limit` bytes as they came (nothing is decompressed), and whether there was more."""
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in stream:
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                break
    finally:
        await stream.aclose()
    return b"".join(chunks)[:limit], size > limit


Lookup = Callable[[str, int, socket.AddressFamily], Awaitable[Sequence[tuple[Any, ...]]]]


async def _getaddrinfo(host: str, port: int, family: socket.AddressFamily) -> Sequence[tuple[Any, ...]]:
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


async def open_pool(
    via: Via, secure: bool, transport: httpx.AsyncBaseTransport | None, *, lookup: Lookup = _getaddrinfo
) -> Pool:
    """Raises Unavailable where a certificate or authority file cannot be read."""
    if transport is not None:
        return Pool(_Borrowed(transport), via.guard)
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


class _Borrowed(httpx.AsyncBaseTransport):
    """A transport that a test handed in and closes itself."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.handle_async_request = transport.handle_async_request  # type: ignore[method-assign]

    async def aclose(self) -> None:
        return


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
