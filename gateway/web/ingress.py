"""The public listener: POST /hooks/{path} and nothing else, as a plain ASGI callable (twice the rate of a routed endpoint)."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Sequence
from typing import Any, Final

import structlog
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from gateway.config.grammar.listeners import HOOKS
from gateway.errors import Problem
from gateway.plugin import Callback
from gateway.runtime.logs import once_in
from gateway.runtime.traces import OFF, log_fields
from gateway.text.trace_context import TraceContext
from gateway.web import problems
from gateway.web.callback_span import CallbackSpan, CallbackSpans, trace_of
from gateway.web.heads import hides_structure
from gateway.web.peers import Network, admitted, peer
from gateway.web.ports import Behind, EndpointLike

log = structlog.get_logger("gateway.web")

ALLOW: Final = (b"allow", b"POST")
_MEDIA_TYPE: Final = re.compile(r"[!-~]+/[!-~]+(?:; ?[!-~]+)*")
_UTF_8: Final = (b"utf-8", b"utf8")


class Gone(Exception):
    """The caller left before its body was complete: there is nobody to answer."""


class Ingress:
    """Answers callbacks. Order: route, method, size, type and encoding, caller, body, then the gateway."""

    def __init__(self, gateway: Behind, *, max_body: int, trusted_proxies: Sequence[Network] = ()) -> None:
        self._gateway = gateway
        self._max_body = max_body
        self._trusted = tuple(trusted_proxies)
        self._once = once_in(10.0)
        self._spans = CallbackSpans(getattr(gateway, "traces", OFF))  # whoever embeds this listener may have none

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        span = self._spans.begin(scope) if self._spans.on else None
        if span is None:
            return await self._serve(scope, receive, send, None)
        try:
            return await self._serve(scope, receive, send, span)
        finally:
            span.end()

    async def _serve(self, scope: Scope, receive: Receive, send: Send, span: CallbackSpan | None) -> None:
        gateway = self._gateway
        path: str = scope["path"]
        entry = None if hides_structure(scope.get("raw_path") or b"") else self._find(path)
        if entry is None:
            # the path is not named: whoever guesses paths writes neither our logs nor our answers
            problem = Problem(404, "unknown_source", "no source is configured at this path")
            self._keep_unknown(scope, problem)
            return await self._answer_refusal(scope, send, None, problem, span=span)
        if span is not None:
            span.name_source(entry.name)
        if scope["method"] != "POST":
            problem = Problem(405, "method_not_allowed", "callbacks are sent with POST")
            return await self._answer_refusal(scope, send, entry, problem, ALLOW, span=span)
        client = scope["client"]
        address = client[0] if client else None
        try:
            if gateway.stopping:
                raise Problem(503, "stopping", "the gateway is stopping", retry_after=5)
            headers: list[tuple[bytes, bytes]] = scope["headers"]
            most = self._most_of(entry)
            foreign = check_head(headers, entry.media_types, most)
            raw = Headers(raw=headers)
            if self._trusted:
                address = peer(address, raw.getlist("x-forwarded-for"), self._trusted)
            if not admitted(address, entry.allow_from):
                raise Problem(403, "peer_not_allowed", "this source takes no callbacks from this address (allow_from)")
            whole = scope.get("whole_body")
            body = whole() if whole is not None else None
            if body is None:
                body = await self._read_body(receive, most)
            elif len(body) > most:
                raise _too_large(most)
            if foreign and not _is_utf_8(body):
                raise _unsupported("the charset is not UTF-8, and neither is the body")
        except Problem as problem:
            return await self._answer_refusal(scope, send, entry, problem, peer=address, span=span)
        except Gone:
            return None
        callback = Callback(entry.name, "POST", path, raw, body, address, gateway.clock.now())
        if release := scope.get("release_body"):
            callback.hold(release)
        if span is not None:
            callback.follow(span.span)
        try:
            taken = await gateway.handle_callback(entry, callback)
            status, body, media_type = taken.status, taken.body, _media_type(taken.media_type)
        except Problem as problem:
            if span is not None:
                span.note_refusal(problem)
            body = problems.body(problem)
            return await _send(send, problem.status, problems.headers(problem, body), body)
        except Exception:
            log.exception("take_failed", source=entry.name)
            failed = Problem(500, "internal_error", "the gateway failed; the callback was not taken", retry_after=60)
            return await self._answer_refusal(scope, send, entry, failed, peer=address, span=span)
        if span is not None:
            span.answer(status)
        answer = scope.get("answer")
        if answer is not None and answer(status, media_type, body):
            return None
        length = str(len(body)).encode()
        return await _send(send, status, [(b"content-type", media_type), (b"content-length", length)], body)

    def _keep_unknown(self, scope: Scope, problem: Problem) -> None:
        """For people alone, as it was written: the vendor may have been told a wrong path."""
        keep = getattr(self._gateway, "keep_unknown", None)
        if keep is None:  # whoever embeds this listener may not want to know
            return
        headers = Headers(raw=scope["headers"])
        client = scope["client"]
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        address = peer(client[0] if client else None, headers.getlist("x-forwarded-for"), self._trusted)
        length = headers.get("content-length", "")
        size = min(int(length), 2**31 - 1) if length.isascii() and length.isdigit() and len(length) < 20 else 0
        callback = Callback("", scope["method"], path, headers, b"", address, self._gateway.clock.now())
        keep(problem, callback, size)

    def _find(self, path: str) -> EndpointLike | None:
        return self._gateway.sources_by_path.get(path[len(HOOKS) :]) if path.startswith(HOOKS) else None

    def largest(self, path: str) -> int:
        """For the protocol: the most bytes that a body to this path may have."""
        entry = self._find(path)
        return self._max_body if entry is None else self._most_of(entry)

    def _most_of(self, entry: EndpointLike) -> int:
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

    async def _answer_refusal(
        self,
        scope: Scope,
        send: Send,
        entry: EndpointLike | None,
        problem: Problem,
        *extra: tuple[bytes, bytes],
        peer: str | None = None,
        span: CallbackSpan | None = None,
    ) -> None:
        """Count it, log one of many, answer; the connection ends where the rest of the body would not be read."""
        client = scope["client"]
        if span is not None:
            span.note_refusal(problem)
        trace = trace_of(scope) if span is None else span.span.context
        self._note(None if entry is None else entry.name, problem, peer or (client[0] if client else None), trace)
        if self._gateway.stopping or not _harmless(scope["headers"], self.largest(scope["path"])):
            extra = (*extra, problems.CLOSE)
        body = problems.body(problem)
        await _send(send, problem.status, problems.headers(problem, body, extra), body)

    def refused_unread(self, problem: Problem, peer: str | None, path: str | None) -> None:
        """For the protocol: what was refused before there was a whole request."""
        entry = self._find(path or "")
        source = None if entry is None else entry.name
        self._spans.refused_unread(source, problem)
        self._note(source, problem, peer)

    def _note(self, source: str | None, problem: Problem, peer: str | None, trace: TraceContext | None = None) -> None:
        self._gateway.count_refusal(source, problem)
        if (quiet := self._once(source, problem.code)) is not None:
            log.warning(
                "request_refused",
                source=source,
                code=problem.code,
                status=problem.status,
                peer=peer,
                also_refused=quiet,
                **log_fields(trace),
            )


def check_head(headers: Sequence[tuple[bytes, bytes]], media_types: Sequence[str], max_body: int) -> bool:
    """Refuse by the head alone what would be refused later: length, Content-Encoding, media type.

    Raises Problem (413, 415). True: it names a charset other than UTF-8, which only the body can prove wrong.
    """
    media = b""
    foreign = False
    for name, value in headers:
        if name == b"content-length":
            if _length(value) > max_body:
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


def _length(value: bytes) -> int:
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


def _harmless(headers: Sequence[tuple[bytes, bytes]], most: int) -> bool:
    """Whether an unread body is short and sure to come, so that the connection can be used again."""
    for name, value in headers:
        if name in (b"transfer-encoding", b"expect") or (name == b"content-length" and _length(value) > most):
            return False
    return True


def _too_large(max_body: int) -> Problem:
    return Problem(413, "body_too_large", f"the body is longer than {max_body} bytes (max_body)")


def _unsupported(detail: str) -> Problem:
    return Problem(415, "unsupported_media_type", detail)


@functools.lru_cache(maxsize=64)
def _media_type(text: str) -> bytes:
    """A source's own media type as a header value; what would not be one is not sent."""
    return text.encode() if _MEDIA_TYPE.fullmatch(text) else b"application/octet-stream"


async def _send(send: Send, status: int, headers: Any, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
