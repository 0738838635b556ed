"""One request and its answer inside uvicorn's protocol: as uvicorn does it, and in one step for an answer that is whole."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Scope

from gateway.text.trace_context import TRACEPARENT
from gateway.web.uvicorn_parts import STATUS_LINE, FlowControl, RequestResponseCycle

_FIELDS_MAX: Final = 256  # answers differ in their length alone, and few lengths are common


RELEASE_BODY: Final = "gateway.release_body"  # in the scope: what to call once the body's sender is known
BARE: Final = frozenset({204, 304})  # statuses of answers without content, and without its length (RFC 9110, 8.6)
FAILED: Final = "gateway.failed"  # in the scope: a Problem that ended the request, which the application only answers


class KnownHead:
    """What the parser and the application found in the head of a request that was taken without the application."""

    __slots__ = ("headers", "length_at", "media_type", "passed", "scope", "traced")

    def __init__(self, scope: Scope, headers: list[tuple[bytes, bytes]], length_at: int) -> None:
        self.scope = scope  # what follows from the head alone
        self.headers = headers
        self.length_at = length_at  # the place of Content-Length among them
        self.passed: object = None  # the source that takes callbacks with this head
        by_name = dict(reversed(headers))
        self.traced = TRACEPARENT.encode() in by_name
        media = by_name.get(b"content-type")
        self.media_type = None if media is None else media.decode("latin-1")

    def headers_with(self, length: bytes) -> list[tuple[bytes, bytes]]:
        """Its fields, with this Content-Length."""
        headers = self.headers.copy()
        headers[self.length_at] = (b"content-length", length)
        return headers


class _NobodyWaits(asyncio.Event):
    """For a request that no application reads: one for all of them."""

    def set(self) -> None:
        """Nobody is told."""


_NOBODY_WAITS: Final = _NobodyWaits()


class HttpExchange(RequestResponseCycle):
    """What the application is handed as `receive` and `send`, where there is one: what is usual is answered without."""

    scope: Scope  # type: ignore[assignment]
    app: ASGIApp
    release_body: Callable[[], None]
    begin: Callable[[HttpExchange, ASGIApp], None]
    known: KnownHead | None = None
    whole: bytes | None = None  # a body that came in one piece

    # Of what uvicorn sets for each request, what begins alike in all.
    logger = logging.getLogger("uvicorn.error")
    access_logger = logging.getLogger("uvicorn.access")
    access_log = False
    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    message_event: asyncio.Event = _NOBODY_WAITS

    def __init__(  # without uvicorn's, which sets twice as much, and makes an Event that nobody waits for
        self,
        scope: Scope,
        transport: asyncio.Transport,
        flow: FlowControl,
        default_headers: list[tuple[bytes, bytes]],
        on_response: Callable[[], None],
        *,
        keep_alive: bool,
        expects_100: bool = False,
    ) -> None:
        self.scope = scope
        self.transport = transport
        self.flow = flow
        self.default_headers = default_headers
        self.on_response = on_response
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = expects_100
        self.body = bytearray()

    def serve(self, app: ASGIApp) -> None:
        """Let an application answer it, in a task of its own."""
        if self.whole is not None:
            self.body, self.whole = bytearray(self.whole), None
        if self.message_event is _NOBODY_WAITS:
            self.message_event = asyncio.Event()
            if self.body or not self.more_body or self.disconnected:
                self.message_event.set()
        self.scope[RELEASE_BODY] = self.release_body
        self.begin(self, app)

    def whole_body(self, most: int) -> bytes | None:
        """The body, where all of it has come and it is no longer than `most`; None: the application has to look."""
        body = self.body if self.whole is None else self.whole
        if self.more_body or self.disconnected or self.waiting_for_100_continue or len(body) > most:
            return None
        if self.flow.read_paused:
            self.flow.resume_reading()
        self.whole, self.body = None, bytearray()
        return bytes(body)

    def answer(self, status: int, media_type: bytes, body: bytes) -> bool:
        """Send an answer that is complete; False: the usual way has to, because something about it is not usual."""
        if (
            self.response_started
            or self.disconnected
            or not self.keep_alive
            or self.flow.write_paused
            or status in BARE
            or self.scope.get("method") == "HEAD"
        ):
            return False
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        usual = _usual_fields(self.default_headers)
        self.transport.write(b"".join((STATUS_LINE[status], usual, _fields(media_type, len(body)), body)))
        self.message_event.set()
        self.on_response()
        return True


class _UsualFields:
    """The fields of every answer: the date, for which uvicorn makes a list anew each second."""

    def __init__(self) -> None:
        self._last: tuple[Sequence[tuple[bytes, bytes]], bytes] = ((), b"")

    def written(self, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
        made = self._last
        if made[0] is not headers:
            self._last = made = (headers, b"".join([b"%b: %b\r\n" % one for one in headers]))
        return made[1]


_usual_fields: Final = _UsualFields().written


@lru_cache(maxsize=_FIELDS_MAX)
def _fields(media_type: bytes, length: int) -> bytes:
    return b"content-type: %b\r\ncontent-length: %d\r\n\r\n" % (media_type, length)
