"""The span of one callback: from the first byte of its head that the ingress sees to its answer, refused or not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from gateway.errors import Problem
from gateway.runtime.traces import Attributes, Span, Traces
from gateway.text.trace_context import TRACEPARENT, TRACESTATE, TraceContext

SPAN: Final = "gateway.callback_span"  # where it is in the scope of a request
ROUTE: Final = "/hooks/{path}"  # never the path itself: whoever guesses paths must not make new names
REFUSED_SPANS_PER_SECOND: Final = 50  # of refused callbacks, so that a flood of them pushes no others out of the export
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})


class CallbackSpan:
    """Ends once, with its answer."""

    __slots__ = ("_allowed", "_refused", "_span")

    def __init__(self, span: Span, allowed: Callable[[], bool]) -> None:
        self._span = span
        self._allowed = allowed  # whether one more refused callback may be exported
        self._refused = False

    @property
    def span(self) -> Span:
        return self._span

    def name_source(self, source: str) -> None:
        """It came to the path of this source."""
        self._span.describe({"recording_gateway.source": source})

    def answer(self, status: int) -> None:
        """It was taken, and this is the answer's status."""
        self._span.describe({"http.response.status_code": status})

    def note_refusal(self, problem: Problem) -> None:
        """It was not taken."""
        self._refused = True
        self._span.describe({"http.response.status_code": problem.status})
        self._span.fail(problem.code)

    def end(self) -> None:
        if not self._refused or self._allowed():
            self._span.end()


class CallbackSpans:
    """Begins them."""

    def __init__(self, traces: Traces, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._traces = traces
        self._monotonic = monotonic
        self._second = 0
        self._left = REFUSED_SPANS_PER_SECOND

    @property
    def on(self) -> bool:
        return self._traces.on

    def span_of(self, scope: Scope) -> CallbackSpan | None:
        """That of a request; None: there is none."""
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        span = self._start(method, trace_of(scope), {"url.scheme": scope.get("scheme", "http")})
        return None if span is None else CallbackSpan(span, self._allow)

    def span_of_refused(self, scope: Scope, problem: Problem) -> None:
        """Of a request that no endpoint saw."""
        span = self.span_of(scope)
        if span is not None:
            span.note_refusal(problem)
            span.end()

    def refused_unread(self, source: str | None, problem: Problem) -> None:
        """Of what was refused before there was a whole request; it has no length."""
        if not self.on:
            return
        span = self._start("_OTHER", None, {"recording_gateway.source": source or ""})
        if span is not None:
            refused = CallbackSpan(span, self._allow)
            refused.note_refusal(problem)
            refused.end()

    def _start(self, method: str, parent: TraceContext | None, more: Attributes) -> Span | None:
        named = "HTTP" if method == "_OTHER" else method
        about = {"http.request.method": method, "http.route": ROUTE, **more}
        return self._traces.start(f"{named} {ROUTE}", "server", parent, about)

    def _allow(self) -> bool:
        second = int(self._monotonic())
        if second != self._second:
            self._second, self._left = second, REFUSED_SPANS_PER_SECOND
        self._left -= 1
        return self._left >= 0


def trace_of(scope: Scope) -> TraceContext | None:
    """What a request's own headers say."""
    headers = Headers(raw=scope["headers"])
    return TraceContext.of_headers(headers.getlist(TRACEPARENT), headers.getlist(TRACESTATE))
