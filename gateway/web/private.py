"""The private listener: health, readiness and metrics, and whatever further routes it is given, such as the admin API's."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.errors import Problem
from gateway.runtime.lean_imports import import_structlog
from gateway.runtime.prometheus import CONTENT_TYPE_OPENMETRICS, CONTENT_TYPE_PLAIN_0_0_4
from gateway.web.accept_header import wants_openmetrics
from gateway.web.heads import hides_structure
from gateway.web.ports import Behind
from gateway.web.problem_response import ProblemResponse

log = import_structlog().get_logger("gateway.web")

READINESS_SECONDS: Final = 3.0  # a store that hangs is not ready; probes give up after a few seconds themselves
SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def private_app(
    gateway: Behind,
    *,
    taking: Callable[[], bool] = lambda: True,
    hosts: Callable[[], Collection[str]] = tuple,
    more: Sequence[BaseRoute] = (),
    rest: ASGIApp | None = None,
) -> Starlette:
    """The application of the private listener; `app.state.gateway` is behind it. `taking` says whether the public one takes
    connections yet, `hosts` gives the names beside localhost; `more` are further routes, `rest` answers where there is none."""
    routes = [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
    app = Starlette(
        routes=[*routes, *more],
        middleware=[Middleware(Guard, hosts)],
        exception_handlers={
            HTTPException: _answer_exception,
            Problem: _answer_problem,
            Exception: _answer_bug,
        },
    )
    if rest is not None:
        app.router.default = rest
    app.router.redirect_slashes = False  # a path that is not there is not there, whatever it looks like
    app.state.gateway = gateway
    app.state.taking = taking
    return app


async def healthz(request: Request) -> Response:
    """The process lives; nothing else is looked at."""
    return _json(200, {"status": "ok"})


async def readyz(request: Request) -> Response:
    """Whether callbacks are taken now, and what is in the way."""
    ready, parts = await _readiness(request.app.state)
    return _json(200 if ready else 503, {"status": "ready" if ready else "not ready", **parts})


async def metrics(request: Request) -> Response:
    """What is counted, as Prometheus reads it."""
    gateway: Behind = request.app.state.gateway
    openmetrics = wants_openmetrics(request.headers.getlist("accept"))
    await _readiness(request.app.state)  # because it is one of the metrics, and a scraper asks for nothing else
    try:
        text = gateway.metrics.openmetrics() if openmetrics else gateway.metrics.text()
    except Exception:
        log.exception("metrics_failed")
        return ProblemResponse(Problem(500, "internal_error", "the metrics could not be written; the log says why"))
    kind = CONTENT_TYPE_OPENMETRICS if openmetrics else CONTENT_TYPE_PLAIN_0_0_4
    return Response(text, headers={"content-type": kind, "vary": "accept"})


async def _readiness(state: State) -> tuple[bool, Mapping[str, str]]:
    gateway: Behind = state.gateway
    if not state.taking() and not gateway.stopping:  # what is ready behind a closed listener cannot be reached
        return False, {"gateway": "starting"}
    try:
        async with asyncio.timeout(READINESS_SECONDS):
            return await gateway.readiness()
    except TimeoutError:
        return False, {"store": "no answer"}
    except Exception:
        log.exception("readiness_failed")
        return False, {"store": "unknown"}


async def _answer_exception(request: Request, raised: Exception) -> Response:
    """What Starlette raises, in the form of all refusals: no such path, or a method that it does not take."""
    if isinstance(raised, HTTPException) and raised.status_code == 405:
        allowed = ", ".join(sorted((raised.headers or {})["Allow"].split(", ")))
        return ProblemResponse(
            Problem(405, "method_not_allowed", "this can only be read"), (b"allow", allowed.encode())
        )
    return _nothing()


async def _answer_problem(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)  # it is what this was registered for
    return ProblemResponse(problem)


async def _answer_bug(request: Request, _: Exception) -> Response:
    """A mistake of ours that no endpoint answered; the server logs it. The guard stands inside of this."""
    return ProblemResponse(Problem(500, "internal_error", "this went wrong here; the log says why"), *SECURITY_HEADERS)


class Guard:
    """Stands before every private route: checks the Host and sets the headers that every answer has."""

    def __init__(self, app: ASGIApp, hosts: Callable[[], Collection[str]]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the life of the application
            return await self._app(scope, receive, send)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                stricter = {name for name, _ in own}  # such as the policy of a download
                message["headers"] = own + [pair for pair in SECURITY_HEADERS if pair[0] not in stricter]
            await send(message)

        found = [value for name, value in scope["headers"] if name == b"host"]
        refusal = None if not found and scope["http_version"] == "1.0" else self._check(found)
        app: ASGIApp = self._app if refusal is None else ProblemResponse(refusal)
        if refusal is None and hides_structure(scope.get("raw_path") or b""):
            app = _nothing()
        return await app(scope, receive, sealed)

    def _check(self, found: Sequence[bytes]) -> Problem | None:
        if len(found) != 1 or not found[0]:
            return Problem(400, "malformed_request", "one Host field is needed")
        if self._ours(found[0].decode("latin-1").lower()):
            return None
        # a page that rebinds its name to this address always sends that name
        return Problem(421, "misdirected_request", "the Host is neither an IP address, localhost nor in admin.hosts")

    def _ours(self, host: str) -> bool:
        if host.startswith("["):
            name, closed, port = host[1:].partition("]")
            if not closed or (port and not _is_port(port)):
                return False
            return _is_address(name, 6)
        name, colon, digits = host.partition(":")
        if colon and not _is_port(colon + digits):
            return False
        return name == "localhost" or _is_address(name, 4) or name in {host.lower() for host in self._hosts()}


def _is_port(text: str) -> bool:
    return text[0] == ":" and text[1:].isascii() and (text[1:].isdigit() or not text[1:]) and len(text) <= 6


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version and "%" not in text
    except ValueError:
        return False


def _nothing() -> Response:
    return ProblemResponse(Problem(404, "not_found", "there is nothing here"))


def _json(status: int, members: Mapping[str, str]) -> Response:
    return Response(json.dumps(dict(members)), status, media_type="application/json")
