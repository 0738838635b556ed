"""One request and its answer inside uvicorn's protocol: as uvicorn does it, and in one step for an answer that is whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Scope

from gateway.web.uvicorn_parts import STATUS_LINE, RequestResponseCycle

_FIELDS_MAX: Final = 256  # answers differ in their length alone, and few lengths are common


RELEASE_BODY: Final = "gateway.release_body"  # in the scope: what to call once the body's sender is known
BARE: Final = frozenset({204, 304})  # statuses of answers without content, and without its length (RFC 9110, 8.6)
FAILED: Final = "gateway.failed"  # in the scope: a Problem that ended the request, which the application only answers


class HttpExchange(RequestResponseCycle):
    """What the application is handed as `receive` and `send`, where there is one: what is usual is answered without."""

    scope: Scope  # type: ignore[assignment]
    app: ASGIApp
    release_body: Callable[[], None]
    begin: Callable[[HttpExchange, ASGIApp], None]

    def serve(self, app: ASGIApp) -> None:
        """Let an application answer it, in a task of its own."""
        self.scope[RELEASE_BODY] = self.release_body
        self.begin(self, app)

    def whole_body(self, most: int) -> bytes | None:
        """The body, where all of it has come and it is no longer than `most`; None: the application has to look."""
        if self.more_body or self.disconnected or self.waiting_for_100_continue or len(self.body) > most:
            return None
        self.flow.resume_reading()
        body = bytes(self.body)
        self.body.clear()
        return body

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
        usual = b"".join([b"%b: %b\r\n" % one for one in self.default_headers])  # the date
        self.transport.write(b"".join((STATUS_LINE[status], usual, _fields(media_type, len(body)), body)))
        self.message_event.set()
        self.on_response()
        return True


@lru_cache(maxsize=_FIELDS_MAX)
def _fields(media_type: bytes, length: int) -> bytes:
    return b"content-type: %b\r\ncontent-length: %d\r\n\r\n" % (media_type, length)
