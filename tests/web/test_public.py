"""Both listeners are Starlette applications: a route, exception handlers, state and a life, as a reader of Starlette expects."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.web.ingress import Ingress
from gateway.web.listener import HttpServer
from gateway.web.listener_limits import ListenerLimits
from gateway.web.private import private_app
from gateway.web.protocol import guarded
from gateway.web.public import PublicRefusals, public_app
from gateway.web.sockets import CannotListen, bind
from tests.patience import PATIENCE_S
from tests.web.doors import CALLBACK, Behind


def public(behind: Behind) -> Starlette:
    ingress = Ingress(behind, max_body=1000)
    return public_app(ingress, PublicRefusals(behind, ingress))


async def ask(app: Starlette, method: str, path: str, **more: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.request(method, path, **more)


async def test_a_callback_is_a_route_whose_endpoint_is_the_ingress() -> None:
    behind = Behind()
    app = public(behind)
    [route] = app.routes
    assert isinstance(route, Route)
    assert (route.path, type(route.endpoint)) == ("/hooks/{path}", Ingress)
    assert app.state.gateway is behind
    assert (await ask(app, "POST", "/hooks/live", content=CALLBACK)).status_code == 200


async def test_the_private_endpoints_ask_the_gateway_in_the_state_of_their_application() -> None:
    behind = Behind()
    app = private_app(behind)
    for path in ("/readyz", "/metrics"):
        assert (await ask(app, "GET", path)).status_code == 200

    async def not_yet() -> tuple[bool, dict[str, str]]:
        return False, {"store": "away"}

    app.state.gateway = other = Behind()
    other.ready = not_yet
    assert (await ask(app, "GET", "/readyz")).json() == {"status": "not ready", "store": "away"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/", 404, "unknown_source"),
        ("POST", "/hooks", 404, "unknown_source"),
        ("POST", "/hooks/", 404, "unknown_source"),
        ("POST", "/hooks/live/", 404, "unknown_source"),
        ("POST", "/hooks/live%2Fmore", 404, "unknown_source"),
        ("POST", "/hooks/nobody", 404, "unknown_source"),
        ("GET", "/hooks/nobody", 404, "unknown_source"),
        ("GET", "/hooks/live", 405, "method_not_allowed"),
        ("PUT", "/hooks/live", 405, "method_not_allowed"),
    ],
)
async def test_what_no_route_or_method_takes_is_refused_in_one_form(
    method: str, path: str, status: int, code: str
) -> None:
    answer = await ask(public(Behind()), method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)


async def test_a_bug_of_ours_is_answered_in_the_form_of_all_refusals_on_both_listeners() -> None:
    async def broken(request: Request) -> Response:
        raise ZeroDivisionError("secret detail")

    behind = Behind()
    behind.clock = None  # type: ignore[assignment]
    for app, method, path in (
        (public(behind), "POST", "/hooks/live"),
        (private_app(behind, more=[Route("/broken", broken)]), "GET", "/broken"),
    ):
        answer = await ask(app, method, path, content=CALLBACK)
        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "secret" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"


async def test_an_application_that_does_not_start_ends_its_listener_and_not_the_process(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @contextlib.asynccontextmanager
    async def broken(app: Starlette) -> AsyncIterator[None]:
        raise OSError("no life")
        yield

    bound = bind("server", "127.0.0.1", 0, None, 0)
    protocol = guarded(ListenerLimits(), lambda problem, peer, path: None)
    server = HttpServer("server", Starlette(lifespan=broken), protocol, bound)
    with caplog.at_level(logging.CRITICAL, "uvicorn.error"), pytest.raises(CannotListen, match="did not start"):
        async with asyncio.timeout(PATIENCE_S):
            await server.start()
    bound.close()


async def test_the_life_of_the_public_application_is_lived_while_it_listens() -> None:
    lived: list[str] = []

    @contextlib.asynccontextmanager
    async def life(app: object) -> AsyncIterator[None]:
        lived.append("begun")
        yield
        lived.append("ended")

    behind = Behind()
    ingress = Ingress(behind, max_body=1000)
    app = public_app(ingress, PublicRefusals(behind, ingress), lifespan=life)
    bound = bind("server", "127.0.0.1", 0, None, 0)
    server = HttpServer("server", app, guarded(ListenerLimits(), lambda problem, peer, path: None), bound)
    await server.start()
    assert lived == ["begun"]
    assert await server.stop(PATIENCE_S)
    bound.close()
    assert lived == ["begun", "ended"]
