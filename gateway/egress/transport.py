"""An httpx transport over aiohttp's connections: what goes out is a httpx.Request, what comes back a httpx.Response."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Final

from gateway.runtime import lean_imports

lean_imports.import_httpx()

import aiohttp  # noqa: E402
import httpx  # noqa: E402

from gateway.egress.exchange import ClosedWhileKept, Exchange, Exchanges  # noqa: E402
from gateway.egress.messages import ReadyRequest, ReadyResponse, place_of  # noqa: E402

RESENT: Final = "resent"  # in the extensions of request and response, where a kept connection had been closed

# What a request may fail with; the first class that fits names httpx's own.
_ERRORS: Final[tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], type[httpx.TransportError]], ...]] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (TimeoutError, httpx.ReadTimeout),
    ((aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError), httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    ((aiohttp.ServerDisconnectedError, aiohttp.ClientResponseError), httpx.RemoteProtocolError),
    (aiohttp.NonHttpUrlClientError, httpx.UnsupportedProtocol),
    ((aiohttp.InvalidURL, ValueError), httpx.LocalProtocolError),
    ((aiohttp.ClientError, OSError, EOFError), httpx.ReadError),
)
_EXPECTED: Final = (aiohttp.ClientError, OSError, ValueError, EOFError)


class Transport(httpx.AsyncBaseTransport):
    """Follows nothing, unpacks nothing, keeps no cookie. The URL's bytes and the headers go out as the request has them.

    A request that a kept connection fails before the first byte of an answer is sent once more at once on a fresh one:
    the target had closed it, which says nothing about this request. Bodies are held as bytes, so that they can be.
    """

    def __init__(self, connector: Callable[..., aiohttp.BaseConnector], *, proxy: httpx.Proxy | None = None) -> None:
        """`connector` makes one, given aiohttp's arguments about keeping connections."""
        self._connector = connector
        self._proxy = None if proxy is None else str(proxy.url)
        self._proxy_headers = () if proxy is None else proxy.headers.raw
        self._kept: Exchanges | None = None
        self._fresh: Exchanges | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError, whose cause says more and whose text says nothing secret."""
        extensions: dict[str, object] = {"http_version": b"HTTP/1.1"}
        try:
            body = request.body if isinstance(request, ReadyRequest) else await _content(request)
            if self._kept is None:
                self._kept = self._exchanges(KEEP_ALIVE_SECONDS, keepalive_timeout=KEEP_ALIVE_SECONDS)
            answer: Exchange | None = None
            with suppress(ClosedWhileKept):
                answer = await _send(self._kept, request, body)
            if answer is None:  # out of that error's reach, because it would pass for the cause of what goes wrong now
                request.extensions = {**request.extensions, RESENT: True}
                extensions[RESENT] = True
                if self._fresh is None:
                    self._fresh = self._exchanges(0, force_close=True)
                answer = await _send(self._fresh, request, body)
        except _EXPECTED as error:
            raise as_httpx(error, request) from error
        if answer.reason:
            extensions["reason_phrase"] = answer.reason.encode("latin-1", "replace")
        if answer.whole is not None:
            return ReadyResponse(answer.status, answer.headers, None, extensions, answer.whole)
        return ReadyResponse(answer.status, answer.headers, _RequestBody(answer, request), extensions)

    async def aclose(self) -> None:
        """Close every connection."""
        for exchanges in (self._kept, self._fresh):
            if exchanges is not None:
                await exchanges.close()

    def _exchanges(self, keep_seconds: float, **keeping: object) -> Exchanges:
        return Exchanges(
            self._connector(**keeping),
            proxy=self._proxy,
            proxy_headers=self._proxy_headers,
            keep_seconds=keep_seconds,
        )


def _send(exchanges: Exchanges, request: httpx.Request, body: bytes) -> Coroutine[object, object, Exchange]:
    """Not a coroutine of its own, because each one between a sink and its socket is gone through twice for every request."""
    extensions = request.extensions
    if isinstance(request, ReadyRequest) and not exchanges.proxied and not extensions and (head := request.head):
        return exchanges.send(request.method, request.target.place, head, body)
    place = place_of(request.url, extensions.get("sni_hostname"))
    head = exchanges.head(request.method, place, request.url.raw_path.decode("ascii"), request.headers.raw)
    timeout = extensions.get("timeout") or {}
    return exchanges.send(
        request.method,
        place,
        head,
        body,
        connect_seconds=timeout.get("connect"),
        read_seconds=timeout.get("read"),
    )


KEEP_ALIVE_SECONDS: Final = (
    4.0  # seconds; below the 5 s after which common servers close, so that we do not write into a close
)


async def _content(request: httpx.Request) -> bytes:
    try:
        return request.content
    except httpx.RequestNotRead:
        if "transfer-encoding" in request.headers:
            del request.headers["transfer-encoding"]
        data = await request.aread()
        if data:
            request.headers["content-length"] = str(len(data))
        return data


def as_httpx(error: BaseException, request: httpx.Request) -> httpx.TransportError:
    """httpx's name of what aiohttp or the system said. Its text is the class alone, because theirs repeat the URL."""
    cls = next((cls for kinds, cls in _ERRORS if isinstance(error, kinds)), httpx.TransportError)
    return cls(type(error).__name__, request=request)


class _RequestBody(httpx.AsyncByteStream):
    """The body as it comes; `aclose` gives the connection back, or closes it where there was more."""

    def __init__(self, answer: Exchange, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    def __aiter__(self) -> _RequestBody:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._answer.content.readany()
        except _EXPECTED as error:
            raise as_httpx(error, self._request) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def whole(self) -> bytes | None:
        """All of it, if all has come; None: there may be more."""
        content = self._answer.content
        return content.read_nowait() if content.is_eof() and content.exception() is None else None

    async def aclose(self) -> None:
        self._answer.give_back()


async def read_up_to(chunks: httpx.AsyncByteStream | httpx.SyncByteStream, limit: int) -> tuple[bytes, bool]:
    """At most `limit` bytes as they came (nothing is decompressed), and whether there was more."""
    if isinstance(chunks, _RequestBody) and (whole := chunks.whole()) is not None:  # as nearly every answer has
        return whole[:limit], len(whole) > limit
    parts: list[bytes] = []
    size = 0
    assert isinstance(chunks, httpx.AsyncByteStream)
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > limit:
            break
    return b"".join(parts)[:limit], size > limit
