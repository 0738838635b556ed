"""What answers callbacks: the endpoint of POST /hooks/{path}, an ASGI callable, because a request object would cost more than it."""

from __future__ import annotations

import asyncio
import functools
import re
import sys
from collections.abc import Sequence
from typing import Final, Generic

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from gateway.config.grammar.listeners import HOOKS
from gateway.errors import Problem
from gateway.fields.network_set import IpNetwork
from gateway.plugin import Callback
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.traces import OFF
from gateway.web.callback_span import SPAN, CallbackSpan, CallbackSpans
from gateway.web.heads import hides_structure
from gateway.web.http_exchange import BARE, FAILED, RELEASE_BODY
from gateway.web.peers import admitted, peer
from gateway.web.ports import AnswerLike, EndpointLike, EndpointT, TakesCallbacks
from gateway.web.problem_response import ProblemResponse

log = import_structlog().get_logger("gateway.web")

_MEDIA_TYPE: Final = re.compile(r"[!-~]+/[!-~]+(?:; ?[!-~]+)*")
_UTF_8: Final = (b"utf-8", b"utf8")


def unknown_source() -> Problem:
    """The path is not named: whoever guesses paths writes neither our logs nor our answers."""
    return Problem(404, "unknown_source", "no source is configured at this path")


class Gone(Exception):
    """The caller left before its body was complete: there is nobody to answer."""


class Ingress(Generic[EndpointT]):
    """Answers callbacks. Order: route, method, size, type and encoding, caller, body, then the gateway."""

    def __init__(
        self, gateway: TakesCallbacks[EndpointT], *, max_body: int, trusted_proxies: Sequence[IpNetwork] = ()
    ) -> None:
        self._gateway = gateway
        self._max_body = max_body
        self._trusted = tuple(trusted_proxies)
        self.spans = CallbackSpans(getattr(gateway, "traces", OFF))  # whoever embeds this listener may have none

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises Problem, which the application's handler answers, and HTTPException 404 where no source is."""
        if (failed := scope.get(FAILED)) is not None:  # only the answer is the application's
            raise failed
        span = self.spans.span_of(scope) if self.spans.on else None
        if span is None:
            return await self._serve(scope, receive, send, None)
        scope[SPAN] = span  # for whoever answers what is raised
        try:
            return await self._serve(scope, receive, send, span)
        except Problem as problem:
            span.note_refusal(problem)
            raise
        except HTTPException:
            span.note_refusal(unknown_source())
            raise
        finally:
            span.end()

    async def _serve(self, scope: Scope, receive: Receive, send: Send, span: CallbackSpan | None) -> None:
        gateway = self._gateway
        entry = None if hides_structure(scope.get("raw_path") or b"") else self._find(scope["path_params"]["path"])
        if entry is None:
            raise HTTPException(404)
        if span is not None:
            span.name_source(entry.name)
        if scope["method"] != "POST":
            raise Problem(405, "method_not_allowed", "callbacks are sent with POST")
        if gateway.stopping:
            raise Problem(503, "stopping", "the gateway is stopping", retry_after=5)
        foreign, address = self.check(scope, entry)
        try:
            body = await self._read_body(receive, self.most_of(entry))
        except Gone:
            return None
        if foreign and not _is_utf_8(body):
            raise _unsupported("the charset is not UTF-8, and neither is the body")
        callback = self.callback_of(scope, entry, body, address)
        if release := scope.get(RELEASE_BODY):
            callback.when_known(release)
        if span is not None:
            callback.follow(span.span)
        try:
            taken = await answer_of(gateway, entry, callback)
        except Problem as problem:  # counted and kept where it was raised
            if span is not None:
                span.note_refusal(problem)
            return await ProblemResponse(problem)(scope, receive, send)
        except Exception:
            log.exception("take_failed", source=entry.name)
            raise internal_error() from None
        if span is not None:
            span.answer(taken.status)
        return await send_answer(send, taken)

    def check(self, scope: Scope, entry: EndpointLike) -> tuple[bool, str | None]:
        """By the head alone: whether only the body can prove its charset wrong, and who sends it. Raises Problem."""
        foreign = check_head(scope["headers"], entry.media_types, self.most_of(entry))
        return foreign, self.caller(scope, entry)

    def caller(self, scope: Scope, entry: EndpointLike) -> str | None:
        """Who sends it. Raises Problem, where nobody may from there."""
        client = scope["client"]
        address = client[0] if client else None
        if self._trusted:
            forwarded = Headers(raw=scope["headers"]).getlist("x-forwarded-for")
            address = peer(address, forwarded, self._trusted)
        if not admitted(address, entry.allow_from):
            raise Problem(403, "peer_not_allowed", "this source takes no callbacks from this address (allow_from)")
        return address

    def callback_of(self, scope: Scope, entry: EndpointLike, body: bytes, address: str | None) -> Callback:
        """What the source is given."""
        headers = Headers(raw=scope["headers"])
        return Callback(entry.name, "POST", scope["path"], headers, body, address, self._gateway.clock.now())

    def source_at(self, path: str) -> EndpointT | None:
        """The source at this path of a URL."""
        return self._find(path[len(HOOKS) :]) if path.startswith(HOOKS) else None

    def _find(self, path: str) -> EndpointT | None:
        return self._gateway.sources_by_path.get(path)

    def largest(self, path: str) -> int:
        """For the protocol: the most bytes that a body to this path may have."""
        entry = self.source_at(path)
        return self._max_body if entry is None else self.most_of(entry)

    def most_of(self, entry: EndpointLike) -> int:
        """Bytes of a body that this source takes."""
        return getattr(entry, "max_body", None) or self._max_body

    def peer_of(self, connected: str | None, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """For the protocol: whose body this is, in the same words as everywhere."""
        if not self._trusted:
            return connected or ""
        return peer(connected, Headers(raw=list(headers)).getlist("x-forwarded-for"), self._trusted) or ""

    async def _read_body(self, receive: Receive, most: int) -> bytes:
        """The whole body, counted while it is read. Raises Problem and Gone.

        Its deadline is the protocol's (protocol.py): a timer of our own for every callback would cost 4 µs.
        """
        parts: list[bytes] = []
        size = 0
        while True:
            message: Message = await receive()
            if message["type"] == "http.disconnect":
                raise Gone
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > most:
                raise _too_large(most)
            if not message.get("more_body", False):
                return b"".join((*parts, part)) if parts else part
            parts.append(part)


async def answer_of(gateway: TakesCallbacks[EndpointT], entry: EndpointT, callback: Callback) -> AnswerLike:
    """Wait for what becomes of a callback. Raises Problem, and whatever is a bug of ours."""
    waiting: asyncio.Future[AnswerLike] = asyncio.get_running_loop().create_future()

    def answered(taken: AnswerLike | BaseException) -> None:
        if waiting.done():  # who waited was cancelled
            return
        if isinstance(taken, BaseException):
            waiting.set_exception(_bearable(taken))
        else:
            waiting.set_result(taken)

    gateway.take_callback(entry, callback, answered)
    return await waiting


def _bearable(error: BaseException) -> Exception:
    """What a future may carry, and a task may end with, without ending more than itself."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    failed = RuntimeError(f"{type(error).__name__} was raised")
    failed.__cause__ = error
    return failed


async def send_answer(send: Send, taken: AnswerLike) -> None:
    """Send it as an application does."""
    bare, body = taken.status in BARE, taken.body
    headers = [] if bare else [(b"content-type", media_type_of(taken)), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": taken.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if bare else body})


def internal_error() -> Problem:
    """The answer to what is a mistake of ours."""
    return Problem(500, "internal_error", "the gateway failed; the callback was not taken", retry_after=60)


def check_head(headers: Sequence[tuple[bytes, bytes]], media_types: Sequence[str], max_body: int) -> bool:
    """Refuse by the head alone what would be refused later: length, Content-Encoding, media type.

    Raises Problem (413, 415). True: it names a charset other than UTF-8, which only the body can prove wrong.
    """
    media = b""
    foreign = False
    for name, value in headers:
        if name == b"content-length":
            if content_length(value) > max_body:
                raise _too_large(max_body)
        elif name == b"content-type":
            media, _, parameters = value.partition(b";")
            foreign = foreign or (parameters != b"" and _is_foreign(parameters))
        elif name == b"content-encoding" and value.strip().lower() not in (b"identity", b""):
            # never inflated: a small body must not become a large one in here
            raise _unsupported("the body has a Content-Encoding; send it as it is")
    if media_types and media.strip().lower().decode("latin-1") not in media_types:
        raise _unsupported("this source takes " + ", ".join(media_types))
    return foreign


def content_length(value: bytes) -> int:
    """A Content-Length, which the parser has checked; so long that `int` would refuse it is as good as endless."""
    digits = value.strip().lstrip(b"0")
    return int(digits or b"0") if len(digits) < 20 else sys.maxsize


def _is_foreign(parameters: bytes) -> bool:
    """Whether a charset other than UTF-8 is among them."""
    for parameter in parameters.split(b";"):
        name, _, value = parameter.partition(b"=")
        if name.strip().lower() == b"charset" and value.strip().strip(b'"').lower() not in _UTF_8:
            return True
    return False


def _is_utf_8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _too_large(max_body: int) -> Problem:
    return Problem(413, "body_too_large", f"the body is longer than {max_body} bytes (max_body)")


def _unsupported(detail: str) -> Problem:
    return Problem(415, "unsupported_media_type", detail)


def media_type_of(taken: AnswerLike) -> bytes:
    """Its media type as a header value."""
    return _media_type(taken.media_type)


@functools.lru_cache(maxsize=64)
def _media_type(text: str) -> bytes:
    """A source's own media type as a header value; what would not be one is not sent."""
    return text.encode() if _MEDIA_TYPE.fullmatch(text) else b"application/octet-stream"
