"""One request and its answer over a connection of aiohttp's: its connector (names, TLS, proxies, what is kept open) and its
parser, without the session around them, which costs more than both."""

from __future__ import annotations

import asyncio
import functools
import re
import ssl
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from gateway.runtime import lean_imports

lean_imports.import_httpx()

import aiohttp  # noqa: E402
import yarl  # noqa: E402
from aiohttp.client_reqrep import ClientRequest  # noqa: E402
from aiohttp.connector import Connection  # noqa: E402
from aiohttp.http_exceptions import HttpProcessingError  # noqa: E402
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader  # noqa: E402

from gateway.egress.answer_reader import ENDLESS, INTERIM_ANSWERS_MAX, AnswerReader, BadAnswer  # noqa: E402
from gateway.egress.kept_connections import KeptConnections  # noqa: E402

PLACES_MAX: Final = 256
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_NO_TIMEOUT: Final = aiohttp.ClientTimeout(total=None)

Headers = Sequence[tuple[bytes, bytes]]


class Place(NamedTuple):
    """Where a connection leads. `name`: what TLS is to see where that is not the host."""

    scheme: str
    host: str
    port: int | None
    name: str | None = None

    @property
    def url(self) -> yarl.URL:
        return yarl.URL.build(scheme=self.scheme, host=self.host, port=self.port, path="/", encoded=True)


def head_of(method: str, target: str, lines: Sequence[str], encoding: str = "ascii") -> bytes:
    """A request's head but for the empty line that ends it. Raises ValueError for what is no HTTP."""
    if method not in _METHODS and not _TOKEN.fullmatch(method):
        raise ValueError("a method that is no token")
    text = "\r\n".join((f"{method} {target} HTTP/1.1", *lines, ""))
    count = len(lines) + 1
    if text.count("\n") != count or text.count("\r") != count or "\0" in text:
        raise ValueError("a line break in a header")
    return text.encode(encoding)


class _Handling(aiohttp.BaseConnector):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._factory = functools.partial(AnswerReader, loop=asyncio.get_running_loop())  # type: ignore[assignment]


class TCPConnector(_Handling, aiohttp.TCPConnector):
    """To hosts."""

    proxy_tls: ssl.SSLContext | None = None  # what a proxy that is called over TLS is checked by

    def _get_ssl_context(self, req: ClientRequest) -> ssl.SSLContext | None:
        """aiohttp would check the proxy as the target is, or not, and show it the target's certificate."""
        found = super()._get_ssl_context(req)
        if found is None or self.proxy_tls is None or req.proxy is not None:
            return found
        return self.proxy_tls  # a request that has no proxy of its own is the one to the proxy


class UnixConnector(_Handling, aiohttp.UnixConnector):
    """To one unix socket."""


class ClosedWhileKept(Exception):
    """The target had closed the connection: the request got no byte of an answer. Its cause says what was seen."""


class Exchange:
    """An answer: its head, and `whole`, all of its body, or `content`, to read. Whoever has it calls `give_back`."""

    __slots__ = ("_connection", "content", "headers", "reason", "status", "whole")

    def __init__(self, status: int, reason: str, headers: Headers, whole: bytes | None = None) -> None:
        self._connection: Connection | None = None
        self.status = status
        self.reason = reason
        self.headers = headers
        self.whole = whole
        self.content: StreamReader = EMPTY_PAYLOAD

    def expect_body(self, connection: Connection, content: StreamReader) -> None:
        """The body is still to come over this connection."""
        self._connection = connection
        self.content = content
        content.on_eof(self.give_back)

    def give_back(self) -> None:
        """Give the connection back; where there was more to read, or to send, it is closed."""
        if self._connection is None:
            return
        transport, handler = self._connection.transport, self._connection.protocol
        if isinstance(handler, AnswerReader) and self.content.is_eof():
            handler.finish()
        if transport is None or transport.get_write_buffer_size():
            self._connection.close()
        else:
            self._connection.release()


class Exchanges:
    """The connections to the places that are reached over `connector`, or over `proxy`."""

    def __init__(
        self, connector: aiohttp.BaseConnector, *, proxy: str | None, proxy_headers: Headers, keep_seconds: float
    ) -> None:
        """A connection is kept for `keep_seconds`; 0: none is."""
        self._connector = connector
        self._proxy = yarl.URL(proxy) if proxy else None
        self.proxied = self._proxy is not None
        self._proxy_headers = proxy_headers
        self._end = b"\r\n" if keep_seconds else b"connection: close\r\n\r\n"
        self._kept = KeptConnections(keep_seconds) if keep_seconds else None
        self._places: dict[Place, ClientRequest] = {}

    async def close(self) -> None:
        if self._kept is not None:
            self._kept.close()
        await self._connector.close()

    def head(self, method: str, place: Place, target: str, headers: Headers) -> bytes:
        """The request's head on its way to `place`. Raises ValueError for what is no HTTP."""
        if self.reads(place):
            target, headers = str(place.url).rstrip("/") + target, (*headers, *self._proxy_headers)
        lines = [f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in headers]
        return head_of(method, target, lines, encoding="latin-1")

    def reads(self, place: Place) -> bool:
        """Whether a proxy reads the requests to `place` itself, so that it is sent other heads."""
        return self._proxy is not None and place.scheme == "http"

    async def send(
        self,
        method: str,
        place: Place,
        head: bytes,
        body: bytes,
        *,
        connect_seconds: float | None = None,
        read_seconds: float | None = None,
    ) -> Exchange:
        """Send the request to `place` and wait for the answer's head. Raises aiohttp's exceptions and OSError."""
        connection = None if self._kept is None else self._kept.pick(place)
        fresh = connection is None
        if connection is None:
            connection = await self._connect(place, connect_seconds)
        handler = connection.protocol
        assert isinstance(handler, AnswerReader)
        handler.requests += 1
        handler.answered = False
        message = b"%b%b%b" % (head, self._end, body)
        try:
            transport = handler.transport
            if transport is None or transport.is_closing():
                raise aiohttp.ClientConnectionResetError("closing")
            spoken_to = fresh and handler.should_close  # `pick` has looked at one that was kept
            if self._kept is None or read_seconds is not None or method == "HEAD" or spoken_to:
                # the last: the target spoke first, as one does that has too many connections, and may say no more
                handler.parse(skip_payload=method == "HEAD", read_seconds=read_seconds)
                transport.write(message)
                if read_seconds is not None:
                    handler.start_timeout()
            else:
                answer_due = handler.expect()
                transport.write(message)
                answer = await answer_due
                if answer is not None:
                    self._kept.put_back(place, connection)
                    found, whole = answer
                    return Exchange(found.status, found.reason, found.headers, whole)
            return await _begun(connection, handler)
        except BaseException as error:
            kept = handler.requests > 1 and not handler.answered
            connection.close()
            if isinstance(error, HttpProcessingError):
                raise aiohttp.ClientResponseError(self._template(place).request_info, (), status=error.code) from error
            closed = isinstance(error, aiohttp.ClientConnectionError | ConnectionError)
            if kept and closed and not isinstance(error, TimeoutError):
                raise ClosedWhileKept from error
            raise

    async def _connect(self, place: Place, connect_seconds: float | None) -> Connection:
        if place.scheme not in ("http", "https"):
            raise aiohttp.NonHttpUrlClientError(place.scheme)
        timeout = _NO_TIMEOUT if connect_seconds is None else aiohttp.ClientTimeout(connect=connect_seconds)
        try:
            while True:
                connection = await self._connector.connect(self._template(place), [], timeout)
                handler = connection.protocol
                assert isinstance(handler, AnswerReader)
                if not (handler.requests and handler.should_close):  # else bytes have come that nobody asked for
                    return connection
                connection.close()
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(type(error).__name__) from error

    def _template(self, place: Place) -> ClientRequest:
        """What the connector wants to know of a place: made once, because no request differs in it."""
        if (made := self._places.get(place)) is not None:
            return made
        tunnel = self._proxy is not None and place.scheme == "https"
        request = ClientRequest(
            "GET",
            place.url,
            loop=asyncio.get_running_loop(),
            proxy=self._proxy,
            proxy_headers=[(name.decode(), value.decode()) for name, value in self._proxy_headers] if tunnel else None,
            server_hostname=place.name,
        )
        if request.proxy_headers is not None:
            # as the connector will at the first connection: what is kept open is found again by these headers
            request.proxy_headers[aiohttp.hdrs.HOST] = request.headers[aiohttp.hdrs.HOST]  # type: ignore[index]
        if len(self._places) >= PLACES_MAX:
            self._places.clear()
        self._places[place] = request
        return request


async def _begun(connection: Connection, handler: AnswerReader) -> Exchange:
    """An answer that aiohttp reads, as far as its head."""
    for _ in range(INTERIM_ANSWERS_MAX + 1):
        answer, content = await handler.read()
        if not 100 <= answer.code <= 199 or answer.code == 101:
            exchange = Exchange(answer.code, answer.reason, answer.raw_headers)
            exchange.expect_body(connection, content)
            return exchange
    raise BadAnswer(ENDLESS)
