"""The routes of the API: who asks, what for, with which right; then the operation, and its answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.errors import GatewayError, Problem
from gateway.store.admin.audit import Actor
from gateway.web.api.answers import answered, refusal, refused
from gateway.web.api.endpoint import Call, Endpoint
from gateway.web.api.endpoints import ENDPOINTS
from gateway.web.api.requests import number_of, read_body, read_query
from gateway.web.ports import Serving
from gateway.web.tokens import Tokens

PREFIX: Final = "/api/v1"
log = structlog.get_logger("gateway.web")


def api_routes(gateway: Serving) -> Sequence[BaseRoute]:
    """The routes of the API; without a configured token they answer 404."""
    tokens = Tokens(lambda: gateway.settings.admin.all_tokens, gateway.clock)
    by_path: dict[str, dict[str, Endpoint]] = defaultdict(dict)
    for endpoint in ENDPOINTS:
        by_path[endpoint.path][endpoint.method] = endpoint
    routes = [Route(PREFIX + path, _serving(gateway, tokens, methods)) for path, methods in by_path.items()]
    for route in routes:
        route.methods = None  # every method is ours to answer, so that all refusals have one form
    return routes


def _serving(
    gateway: Serving, tokens: Tokens, methods: Mapping[str, Endpoint]
) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
        try:
            # asked before the method, because without a token there is nothing here at all
            holder = tokens.check(request, "read" if endpoint is None else endpoint.role)
            if endpoint is None:
                allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])
                return refused(Problem(405, "method_not_allowed", f"this takes {allowed}"), {"allow": allowed})
            for name in endpoint.integers & set(request.path_params):
                number_of(request.path_params[name])
            actor = Actor(holder.name, request.client.host if request.client else "unix socket")
            call = Call(
                service=gateway.admin,
                actor=actor,
                role=holder.role,
                path=request.path_params,
                query=read_query(request, endpoint.query),
                body=None if endpoint.method == "GET" else await read_body(request, endpoint.body),
            )
            result = await endpoint.run(call)
        except GatewayError as error:
            return refusal(error)
        except Exception:
            log.exception("api_failed", operation=None if endpoint is None else endpoint.name)
            return refused(Problem(500, "internal_error", "this went wrong here; the log says why"))
        return result if isinstance(result, Response) else answered(endpoint.status, result)

    return serve
