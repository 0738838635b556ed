"""Callbacks that have come whole when their head is read, as nearly all do: taken and answered without a task of their own.

The application is asked for whatever is not usual, so that each refusal is decided and worded in one place.
"""

from __future__ import annotations

from typing import Generic

from starlette.types import Scope

from gateway.errors import Problem
from gateway.runtime.lean_imports import import_structlog
from gateway.web.callback_span import SPAN, CallbackSpan
from gateway.web.heads import hides_structure
from gateway.web.http_exchange import FAILED, HttpExchange
from gateway.web.ingress import Ingress, check_head, internal_error, media_type_of, send_answer
from gateway.web.ports import AnswerLike, EndpointT, TakesCallbacks
from gateway.web.problem_response import ProblemResponse

log = import_structlog().get_logger("gateway.web")


class WholeCallbacks(Generic[EndpointT]):
    """One a listener; `ingress` is the endpoint that its application has for the same requests."""

    def __init__(self, gateway: TakesCallbacks[EndpointT], ingress: Ingress[EndpointT]) -> None:
        self._gateway = gateway
        self._ingress = ingress

    def take_whole(self, exchange: HttpExchange) -> bool:
        """For the protocol: take this request; False: it is the application's to answer."""
        scope, ingress = exchange.scope, self._ingress
        entry = ingress.source_at(scope["path"])
        if entry is None or self._gateway.stopping:
            return False
        known = exchange.known
        try:
            if known is None or known.passed is not entry:
                if not self._takes_head(scope, entry):
                    return False
                if known is not None:
                    known.passed = entry
            address = ingress.caller(scope, entry)
        except Problem:
            return False
        body = exchange.whole_body(ingress.most_of(entry))
        if body is None:
            return False
        callback = ingress.callback_of(scope, entry, body, address)
        callback.when_known(exchange.release_body)
        if known is not None and not known.traced:
            callback.head_is_known(known.media_type)
        span = ingress.spans.span_of(scope) if ingress.spans.on else None
        if span is not None:
            span.name_source(entry.name)
            callback.follow(span.span)
        self._gateway.take_callback(entry, callback, _Caller(exchange, entry.name, span).answer)
        return True

    def _takes_head(self, scope: Scope, entry: EndpointT) -> bool:
        """Whether nothing but the body's length and the caller could be wrong with it. Raises Problem."""
        if scope["method"] != "POST" or hides_structure(scope["raw_path"]):
            return False
        return not check_head(scope["headers"], entry.media_types, self._ingress.most_of(entry))


class _Caller:
    """Who waits for the answer."""

    __slots__ = ("_exchange", "_source", "_span")

    def __init__(self, exchange: HttpExchange, source: str, span: CallbackSpan | None) -> None:
        self._exchange = exchange
        self._source = source
        self._span = span

    def answer(self, taken: AnswerLike | BaseException) -> None:
        if isinstance(taken, Problem):  # counted and kept where it was raised
            self._end_span(taken)
            self._exchange.serve(ProblemResponse(taken))
        elif isinstance(taken, BaseException):
            self._fail(taken)
        else:
            self._end_span(taken.status)
            if not self._exchange.answer(taken.status, media_type_of(taken), taken.body):
                self._exchange.serve(lambda _scope, _receive, send: send_answer(send, taken))

    def _fail(self, error: BaseException) -> None:
        log.error("take_failed", source=self._source, exc_info=error)
        problem = internal_error()
        self._end_span(problem)
        scope = self._exchange.scope
        scope[FAILED] = problem
        if self._span is not None:
            scope[SPAN] = self._span
        self._exchange.serve(self._exchange.app)

    def _end_span(self, ended: Problem | int) -> None:
        if self._span is not None:
            if isinstance(ended, Problem):
                self._span.note_refusal(ended)
            else:
                self._span.answer(ended)
            self._span.end()
