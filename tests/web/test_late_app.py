"""The API and the pages are imported when somebody first asks for one, and nothing waits for that but who asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from gateway.web.late_app import LateApp
from gateway.web.listeners import admin_app
from gateway.web.private import private_app
from tests.patience import PATIENCE_S


def _client(app: ASGIApp) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


def test_a_gateway_that_nobody_asks_has_neither_the_api_nor_the_pages_nor_a_client_nor_postgresql() -> None:
    code = """
import sys
import gateway.app, gateway.web.listeners, gateway.store.sqlite.backend, gateway.cli.commands.serve, gateway.cli.remote
late = ("gateway.web.api", "gateway.web.pages", "gateway.admin.service", "gateway.admin.results", "gateway.admin.queries",
  "gateway.store.admin.admin", "gateway.store.admin.jobs", "gateway.store.postgres", "gateway.cli.remote_client", "argparse", "jinja2")
print([name for name in sys.modules if name.startswith(late)])
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


async def test_it_is_made_once_in_a_thread_while_others_are_answered() -> None:
    made: list[str] = []
    go = threading.Event()

    def make() -> ASGIApp:
        made.append(threading.current_thread().name)
        go.wait(PATIENCE_S)
        return PlainTextResponse("here")

    async with _client(private_app(None, rest=LateApp(make))) as client:  # type: ignore[arg-type]
        asked = [asyncio.create_task(client.get(path)) for path in ("/", "/events", "/api/v1/sinks")]
        assert (await client.get("/healthz")).status_code == 200
        assert not any(task.done() for task in asked)
        go.set()
        assert [(await task).text for task in asked] == ["here"] * 3
        assert (await client.post("/healthz")).status_code == 405  # a path of its own stays its own
    assert len(made) == 1
    assert made != [threading.current_thread().name]


async def test_where_it_cannot_be_made_this_request_fails_and_the_next_tries_again() -> None:
    tries = iter([MemoryError("no room"), ImportError("too many open files")])

    def make() -> ASGIApp:
        if (error := next(tries, None)) is not None:
            raise error
        return PlainTextResponse("here")

    async with _client(private_app(None, rest=LateApp(make))) as client:  # type: ignore[arg-type]
        assert [(await client.get("/")).status_code for _ in range(4)] == [500, 500, 200, 200]
        assert (await client.get("/")).headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/readyz/x", "/metrics/"])
async def test_what_is_nowhere_is_answered_alike(path: str) -> None:
    class Nobody:
        class sessions:
            session_of = staticmethod(lambda _request: None)

    async with _client(private_app(None, rest=LateApp(lambda: admin_app(None, Nobody())))) as client:  # type: ignore[arg-type]
        answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"
