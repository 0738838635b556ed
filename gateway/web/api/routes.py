"""The routes of the API: who asks, what for, with which right; then the operation, and its answer."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from gateway.admin.jobs import holder_of
from gateway.errors import GatewayError, Problem
from gateway.runtime.lean_imports import import_structlog
from gateway.store.admin.audit import Actor
from gateway.web.api import openapi
from gateway.web.api.endpoint import Call, Endpoint, NothingAsked, reading
from gateway.web.api.endpoints import ENDPOINTS
from gateway.web.api.idempotency import idempotent
from gateway.web.api.request_reader import number_of, read_body, read_query
from gateway.web.api.responses import answered, problem_document, refusal
from gateway.web.ports import Serving
from gateway.web.tokens import TokenLike, Tokens, may_not

PREFIX: Final = "/api/v1"
RECHECK_SECONDS: Final = 60.0  # after which a stream's token is looked at again
log = import_structlog().get_logger("gateway.web")


def api_routes(gateway: Serving, tokens: Tokens) -> Sequence[BaseRoute]:
    """The routes of the API; without a configured token they answer 404."""
    by_path: dict[str, dict[str, Endpoint]] = defaultdict(dict)
    for endpoint in (*ENDPOINTS, _OPENAPI):
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
                return problem_document(Problem(405, "method_not_allowed", f"this takes {allowed}"), {"allow": allowed})
            return await _answer(gateway, request, endpoint, holder)
        except GatewayError as error:
            return refusal(error)
        except Exception:
            log.exception("api_failed", operation=None if endpoint is None else endpoint.name)
            return problem_document(Problem(500, "internal_error", "this went wrong here; the log says why"))

    return serve


async def _answer(gateway: Serving, request: Request, endpoint: Endpoint, holder: TokenLike) -> Response:
    for name in endpoint.integers & set(request.path_params):
        number_of(request.path_params[name])
    if endpoint.role == "pull" and request.path_params["sink"] not in holder.sinks:
        raise Problem(403, "forbidden", f"the token {holder.name!r} does not list this sink")
    query = read_query(request, endpoint.query)
    body = None if endpoint.method == "GET" else await read_body(request, endpoint.body)
    secret = holder.token.reveal()
    call = Call(
        service=gateway.admin,
        actor=Actor(holder.name, request.client.host if request.client else "unix socket"),
        role=holder.role,
        token=secret,
        session=getattr(request.state, "session", None),
        may=_still(gateway, secret, endpoint, request.path_params.get("sink")),
        path=request.path_params,
        asked=body or query or NothingAsked(),
        last_event_id=request.headers.get("last-event-id"),
    )

    async def answer() -> Response:
        try:
            result = await endpoint.run(call)
        except GatewayError as error:
            return refusal(error)
        return result if isinstance(result, Response) else await answered(endpoint.status_of(result), result)

    if not endpoint.is_once:
        return await answer()
    content = "" if body is None else json.dumps(body.model_dump(mode="json"), sort_keys=True)
    return await idempotent(request, gateway.admin, holder_of(secret), content, answer)


def _still(gateway: Serving, secret: str, endpoint: Endpoint, sink: str | None) -> Callable[[], bool]:
    """Asks, at most once a minute, whether a token still holds; of a consumer's at every look, because it waits for a
    minute at most."""
    looked = gateway.clock.monotonic()
    holds = True

    def still() -> bool:
        nonlocal looked, holds
        if endpoint.role == "pull" or gateway.clock.monotonic() - looked >= RECHECK_SECONDS:
            looked = gateway.clock.monotonic()
            holds = any(
                one.token.reveal() == secret
                and not may_not(one, endpoint.role)
                and (endpoint.role != "pull" or sink in one.sinks)
                for one in gateway.settings.admin.all_tokens
            )
        return holds

    return still


async def _openapi(call: Call[NothingAsked]) -> Response:
    return Response(openapi.document_text(ENDPOINTS, PREFIX), media_type="application/json")


_OPENAPI: Final = reading("/openapi.json", "openapi", "This.", _openapi, dict)
