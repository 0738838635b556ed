"""The public listener's application: one route for callbacks, and the answers to what is refused on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Generic

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Lifespan

from gateway.config.grammar.listeners import HOOKS
from gateway.errors import Problem
from gateway.plugin import Callback
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.logs import once_in
from gateway.runtime.traces import log_fields
from gateway.text.trace_context import TraceContext
from gateway.web import problems
from gateway.web.callback_span import SPAN, trace_of
from gateway.web.ingress import Ingress, content_length, unknown_source
from gateway.web.ports import Behind, EndpointT
from gateway.web.problem_response import ProblemResponse

log = import_structlog().get_logger("gateway.web")

QUIET_SECONDS: Final = 10.0  # between two log lines of one source and code
_ALLOW: Final = (b"allow", b"POST")


def public_app(
    ingress: Ingress[EndpointT], refusals: PublicRefusals[EndpointT], *, lifespan: Lifespan[object] | None = None
) -> Starlette:
    """The application. `ingress` answers callbacks, `refusals` whatever is none; `app.state.gateway` is behind both.

    What is wrapped around it does not see a callback that came whole: `WholeCallbacks` takes that before it."""
    app = Starlette(
        routes=[Route(f"{HOOKS}{{path}}", ingress)],
        exception_handlers={
            Problem: refusals.answer_problem,
            HTTPException: refusals.answer_unknown,
            Exception: refusals.answer_bug,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # a path that is not there is not there, whatever it looks like
    app.state.gateway = refusals.gateway
    return app


class PublicRefusals(Generic[EndpointT]):
    """Answers what is refused before there is a callback: counts it, logs one of many, keeps what knew no source."""

    def __init__(self, gateway: Behind, ingress: Ingress[EndpointT]) -> None:
        self.gateway = gateway
        self._ingress = ingress
        self._once = once_in(QUIET_SECONDS)

    async def answer_problem(self, request: Request, problem: Exception) -> ProblemResponse:
        """What the endpoint raised."""
        assert isinstance(problem, Problem)  # it is what this was registered for
        entry = self._ingress.source_at(request.scope["path"])
        extra = (_ALLOW,) if problem.status == 405 else ()
        return self._respond(request, None if entry is None else entry.name, problem, *extra)

    async def answer_unknown(self, request: Request, _: object) -> ProblemResponse:
        """No route, or no source at it."""
        problem = unknown_source()
        if SPAN not in request.scope and self._ingress.spans.on:
            self._ingress.spans.span_of_refused(request.scope, problem)
        self._keep_unknown(request, problem)
        return self._respond(request, None, problem)

    async def answer_bug(self, request: Request, _: object) -> ProblemResponse:
        """A mistake of ours before the callback; the server logs it."""
        return self._respond(request, None, Problem(500, "internal_error", "the gateway failed", retry_after=60))

    def refused_unread(self, problem: Problem, peer: str | None, path: str | None) -> None:
        """For the protocol: what was refused before there was a whole request."""
        entry = self._ingress.source_at(path or "")
        source = None if entry is None else entry.name
        self._ingress.spans.refused_unread(source, problem)
        self._note(source, problem, peer)

    def _respond(
        self, request: Request, source: str | None, problem: Problem, *extra: tuple[bytes, bytes]
    ) -> ProblemResponse:
        """The connection ends where the rest of the body would not be read."""
        scope = request.scope
        client = scope["client"]
        address = self._ingress.peer_of(client[0] if client else None, scope["headers"]) or None
        trace = scope[SPAN].span.context if SPAN in scope else trace_of(scope)
        self._note(source, problem, address, trace)
        if self.gateway.stopping or not _harmless(scope["headers"], self._ingress.largest(scope["path"])):
            extra = (*extra, problems.CLOSE)
        return ProblemResponse(problem, *extra)

    def _note(self, source: str | None, problem: Problem, peer: str | None, trace: TraceContext | None = None) -> None:
        self.gateway.count_refusal(source, problem)
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

    def _keep_unknown(self, request: Request, problem: Problem) -> None:
        """For people alone, as it was written: the vendor may have been told a wrong path."""
        scope = request.scope
        headers = Headers(raw=scope["headers"])
        client = scope["client"]
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        address = self._ingress.peer_of(client[0] if client else None, scope["headers"]) or None
        length = headers.get("content-length", "")
        size = min(int(length), 2**31 - 1) if length.isascii() and length.isdigit() and len(length) < 20 else 0
        callback = Callback("", scope["method"], path, headers, b"", address, self.gateway.clock.now())
        self.gateway.keep_unknown(problem, callback, size)


def _harmless(headers: Sequence[tuple[bytes, bytes]], most: int) -> bool:
    """Whether an unread body is short and sure to come, so that the connection can be used again."""
    for name, value in headers:
        if name in (b"transfer-encoding", b"expect"):
            return False
        if name == b"content-length" and content_length(value) > most:
            return False
    return True
