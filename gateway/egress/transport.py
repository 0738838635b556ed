"""An httpx transport over aiohttp's connections: what goes out is a httpx.Request, what comes back a httpx.Response."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from gateway.runtime import lean_imports

lean_imports.import_httpx()

import aiohttp  # noqa: E402
import httpx  # noqa: E402
import yarl  # noqa: E402
from aiohttp.client_proto import ResponseHandler  # noqa: E402

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_AUTOMATIC: Final = frozenset({"accept", "accept-encoding", "content-type", "user-agent"})  # aiohttp would add them
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
        self._proxy_headers = None if proxy is None else proxy.headers
        self._kept: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError, whose cause says more and whose text says nothing secret."""
        use = _Use()
        try:
            data = await _content(request)
            if self._kept is None:
                self._kept = self._session(keepalive_timeout=KEEP_ALIVE)
            try:
                response = await self._send(self._kept, request, data, use)
            except (aiohttp.ClientConnectionError, ConnectionError) as error:
                if isinstance(error, TimeoutError) or not use.was_kept_and_unanswered:
                    raise
                request.extensions = {**request.extensions, RESENT: True}
                if self._fresh is None:
                    self._fresh = self._session(force_close=True)
                response = await self._send(self._fresh, request, data, _Use())
        except _EXPECTED as error:
            raise as_httpx(error, request) from error
        extensions: dict[str, Any] = {"http_version": b"HTTP/1.1"}
        if RESENT in request.extensions:
            extensions[RESENT] = True
        if response.reason:
            extensions["reason_phrase"] = response.reason.encode("latin-1", "replace")
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=_Body(response, request), extensions=extensions
        )

    async def aclose(self) -> None:
        """Close every connection."""
        for session in (self._kept, self._fresh):
            if session is not None:
                await session.close()

    async def _send(
        self, session: aiohttp.ClientSession, request: httpx.Request, data: bytes, use: _Use
    ) -> aiohttp.ClientResponse:
        _use.set(use)
        names, values = _headers(request.headers.raw)
        more: dict[str, Any] = {}
        if not_given := _AUTOMATIC.difference(map(str.lower, names)):
            more["skip_auto_headers"] = not_given
        if timeout := request.extensions.get("timeout"):
            more["timeout"] = aiohttp.ClientTimeout(
                sock_connect=timeout.get("connect"), sock_read=timeout.get("read"), connect=timeout.get("pool")
            )
        if name := request.extensions.get("sni_hostname"):
            more["server_hostname"] = name
        if self._proxy is not None:
            more |= {"proxy": self._proxy, "proxy_headers": self._proxy_headers}
        return await session.request(
            request.method,
            wire_url(str(request.url)),
            headers=zip(names, values, strict=True),
            data=data or None,
            allow_redirects=False,
            **more,
        )

    def _session(self, **keeping: Any) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=self._connector(**keeping),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        session._retry_connection = False  # it would send a PUT again whatever had been answered
        return session


KEEP_ALIVE: Final = 4.0  # seconds; below the 5 s after which common servers close, so that we do not write into a close


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


@functools.lru_cache(maxsize=256)
def wire_url(url: str) -> yarl.URL:
    """As httpx has written it, because a second encoding would change `a%2Fb`, and with it a signed link."""
    return yarl.URL(url, encoded=True)


def _headers(raw: Sequence[tuple[bytes, bytes]]) -> tuple[list[str], list[str]]:
    """Names and values as text that aiohttp writes as the same bytes (UTF-8), decoded all at once, because one by one they
    cost a tenth of a request. Raises ValueError."""
    flat = b"\n".join([part for pair in raw for part in pair]).decode().split("\n")
    if len(flat) != 2 * len(raw):
        raise ValueError("a header with a line break")
    return flat[::2], flat[1::2]


def as_httpx(error: BaseException, request: httpx.Request) -> httpx.TransportError:
    """httpx's name of what aiohttp or the system said. Its text is the class alone, because theirs repeat the URL."""
    cls = next((cls for kinds, cls in _ERRORS if isinstance(error, kinds)), httpx.TransportError)
    return cls(type(error).__name__, request=request)


class _Body(httpx.AsyncByteStream):
    """The body as it comes; `aclose` gives the connection back, or closes it where there was more."""

    def __init__(self, response: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._response.content.readany()
        except _EXPECTED as error:
            raise as_httpx(error, self._request) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        await self._response.__aexit__(None, None, None)


# --- which connection it was -------------------------------------------------------------------------------------------


class _Handler(ResponseHandler):
    """A connection that knows how many requests it had, and whether the last one got a byte."""

    requests = 0
    answered = False

    def data_received(self, data: bytes) -> None:
        self.answered = True
        super().data_received(data)


class _Use:
    """One request's use of a connection."""

    __slots__ = ("_handler",)

    def __init__(self) -> None:
        self._handler: _Handler | None = None

    def begin(self, handler: _Handler) -> None:
        handler.requests += 1
        handler.answered = False
        self._handler = handler

    @property
    def was_kept_and_unanswered(self) -> bool:
        return self._handler is not None and self._handler.requests > 1 and not self._handler.answered


_use: ContextVar[_Use] = ContextVar("use")


class _Noting(aiohttp.BaseConnector):
    """Says which connection a request got."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._factory = functools.partial(_Handler, loop=asyncio.get_running_loop())  # type: ignore[assignment]

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:
        connection = await super().connect(req, traces, timeout)
        if isinstance(handler := connection.protocol, _Handler):
            _use.get().begin(handler)
        return connection


class TCPConnector(_Noting, aiohttp.TCPConnector):
    """To hosts."""


class UnixConnector(_Noting, aiohttp.UnixConnector):
    """To one unix socket."""


async def read(chunks: httpx.AsyncByteStream | httpx.SyncByteStream, limit: int) -> tuple[bytes, bool]:
    """At most `limit` bytes as they came (nothing is decompressed), and whether there was more."""
    parts: list[bytes] = []
    size = 0
    assert isinstance(chunks, httpx.AsyncByteStream)
    async for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > limit:
            break
    return b"".join(parts)[:limit], size > limit
