"""The admin API under /api/v1, for those who hold a token: so far, reloading the configuration."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.config.document.diagnostics import ConfigError
from gateway.errors import GatewayError, Problem
from gateway.reload import Reloaded, ReloadRefused
from gateway.store.admin.audit import Actor
from gateway.web import problems
from gateway.web.ports import Serving
from gateway.web.tokens import Role, Tokens

PREFIX: Final = "/api/v1"
Endpoint = Callable[[Request], Awaitable[Response]]
Act = Callable[[Request, Actor], Awaitable[Response]]
"""What somebody asks for who holds a token; the actor is the token's name and the address it came from."""


def api_routes(gateway: Serving) -> Sequence[BaseRoute]:
    """The routes of the API; without a configured token they answer 404."""
    tokens = Tokens(lambda: gateway.settings.admin.all_tokens, gateway.clock)

    async def reload(_request: Request, actor: Actor) -> Response:
        try:
            done = await gateway.reload(actor)
        except ConfigError as error:
            problem = Problem(422, "configuration_invalid", "the configuration has mistakes; the running one stays")
            return refused(problem, problems=[one.as_dict() for one in error.problems])
        except ReloadRefused as error:
            return refused(Problem(409, error.code, error.detail))
        except GatewayError as error:
            return refused(Problem(409, "sink_not_opened", str(error)))
        return _json(200, _said(done))

    return [_changing(f"{PREFIX}/reload", _guarded(tokens, "operate", reload))]


def _said(done: Reloaded) -> dict[str, Any]:
    return {
        "status": "unchanged" if done.nothing else "reloaded",
        "sources": dict(done.sources),
        "sinks": dict(done.sinks),
        "routes": done.routes,
    }


def _changing(path: str, endpoint: Endpoint) -> Route:
    """A route that is POSTed to. `endpoint` answers every method by itself, so that all refusals have one form."""
    route = Route(path, endpoint)
    route.methods = None
    return route


def _guarded(tokens: Tokens, role: Role, act: Act) -> Endpoint:
    async def checked(request: Request) -> Response:
        try:
            name = tokens.check(request, role)
        except Problem as problem:
            return refused(problem)
        if request.method != "POST":  # asked after the token, because without one there is nothing here at all
            return refused(Problem(405, "method_not_allowed", "this changes something: send POST"), {"allow": "POST"})
        return await act(request, Actor(name, request.client.host if request.client else "unix socket"))

    return checked


def refused(problem: Problem, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """A problem document; `more` are further members."""
    members = {**json.loads(problems.body(problem)), **more}
    response = Response(json.dumps(members), problem.status, headers, media_type=problems.MEDIA_TYPE.decode())
    if problem.retry_after is not None:
        response.headers["retry-after"] = str(problem.retry_after)
    if problem.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


def _json(status: int, members: dict[str, Any]) -> Response:
    return Response(json.dumps(members), status, media_type="application/json")
