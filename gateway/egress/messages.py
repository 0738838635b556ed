"""httpx's requests and responses made of parts that are ready: what httpx looks at again at each is looked at once. Heavy to
import."""

from __future__ import annotations

import base64
import functools
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from gateway.runtime import lean_imports

lean_imports.import_httpx()

import httpx  # noqa: E402

from gateway.egress.exchange import Headers, Place, head_of  # noqa: E402

_CONTENT_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})


class Target(NamedTuple):
    """A URL in each form that a request needs."""

    url: httpx.URL
    place: Place
    path: str  # with its query, as it is sent
    host: str  # what the Host header says
    origin: str  # host:port, for texts
    credentials: str  # what the Authorization header says, where the URL names a user


@functools.lru_cache(maxsize=256)  # because parsing costs as much as the rest of our own work
def target_of(url: str) -> Target:
    """Raises what faults.EXPECTED lists."""
    parsed = httpx.URL(url)
    host = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    origin = f"{host}:{parsed.port or (443 if parsed.scheme == 'https' else 80)}"
    credentials = ""
    if parsed.userinfo:
        credentials = "Basic " + base64.b64encode(f"{parsed.username}:{parsed.password}".encode()).decode()
    return Target(
        parsed, place_of(parsed), parsed.raw_path.decode("ascii"), parsed.netloc.decode("ascii"), origin, credentials
    )


def place_of(url: httpx.URL, name: str | None = None) -> Place:
    """Where a request to this URL goes."""
    return Place(url.scheme, url.raw_host.decode("ascii"), url.port, name)


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> httpx.Headers:
    """httpx's headers of bytes, without its look at each one, which costs more than sending them."""
    headers = httpx.Headers.__new__(httpx.Headers)  # what its own way looks at first costs more than these lines
    headers._encoding = None
    headers._list = [(name, name.lower(), value) for name, value in raw]
    return headers


class ReadyRequest(httpx.Request):
    """A request with a body that is there. Its head is written once; httpx's headers and stream are made when somebody asks for
    them."""

    def __init__(self, method: str, target: Target, headers: Mapping[str, str], content: bytes | None) -> None:
        """`headers` have names in lower case. Raises ValueError for what cannot stand in a head."""
        self.method = method = method.upper()
        self.url = target.url
        self.extensions = {}
        self.body = self._content = content or b""  # as `read` leaves it, so that every transport finds bytes
        self.target = target
        lines = [f"host: {target.host}", *[f"{name}: {value}" for name, value in headers.items()]]
        if target.credentials and "authorization" not in headers:
            lines.append(f"authorization: {target.credentials}")
        if content is not None or method in _CONTENT_METHODS:
            lines.append(f"content-length: {len(self.body)}")
        self._head = head_of(method, target.path, lines)
        self._headers: httpx.Headers | None = None
        self._stream: httpx.SyncByteStream | httpx.AsyncByteStream | None = None

    @property
    def head(self) -> bytes | None:
        """Its request line and headers; None: somebody has had its headers, and may have changed them."""
        return self._head if self._headers is None else None

    @property
    def headers(self) -> httpx.Headers:
        if self._headers is None:
            lines = self._head.split(b"\r\n")[1:-1]
            self._headers = headers_of((name, value) for name, _, value in [line.partition(b": ") for line in lines])
        return self._headers

    @headers.setter
    def headers(self, headers: httpx.Headers) -> None:
        self._headers = headers

    @property
    def stream(self) -> httpx.SyncByteStream | httpx.AsyncByteStream:
        if self._stream is None:
            self._stream = httpx.ByteStream(self.body)
        return self._stream

    @stream.setter
    def stream(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream) -> None:
        self._stream = stream


class ReadyResponse(httpx.Response):
    """A response whose body is on its way, or `whole`: there already. Its headers, and the stream of what is there, are made when
    somebody asks for them."""

    def __init__(
        self,
        status: int,
        raw: Headers,
        stream: httpx.AsyncByteStream | None,
        extensions: dict[str, object],
        whole: bytes | None = None,
    ) -> None:
        """One of `stream` and `whole`."""
        self.status_code = status
        self.whole = whole
        self._stream: httpx.SyncByteStream | httpx.AsyncByteStream | None = stream
        self.extensions = extensions
        self.history = []
        self.next_request = None
        self.is_closed = self.is_stream_consumed = False
        self.default_encoding = "utf-8"
        self._request = None
        self._num_bytes_downloaded = 0
        self._raw = raw
        self._headers: httpx.Headers | None = None

    @property
    def headers(self) -> httpx.Headers:
        if self._headers is None:
            self._headers = headers_of(self._raw)
        return self._headers

    @headers.setter
    def headers(self, headers: httpx.Headers) -> None:
        self._headers = headers

    @property
    def stream(self) -> httpx.SyncByteStream | httpx.AsyncByteStream:
        if self._stream is None:
            self._stream = httpx.ByteStream(self.whole or b"")
        return self._stream

    @stream.setter
    def stream(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream) -> None:
        self._stream, self.whole = stream, None
