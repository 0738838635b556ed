"""A gateway whose admin API a test asks, with something in its store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.app import Gateway
from gateway.config.load import load
from tests import patience
from tests.patience import PATIENCE_S
from tests.running import KEY, Player
from tests.web.doors import Served
from tests.web.raw_client import Reply

OPERATE, READ = "o" * 40, "r" * 40
CONFIG = f"""
version: 1
server: {{port: 0}}
admin:
  port: 0
  tokens: [{{name: ops, token: {OPERATE}, role: operate}}, {{name: look, token: {READ}}}]
store: STORE
sources:
  live: {{type: huawei-live, keys: ["{KEY}"], domains: [push.example.com], apps: [live]}}
sinks:
  file: {{type: file, path: events.jsonl}}
  gone: {{type: forward, url: "http://127.0.0.1:9/x"}}
routes:
  - {{name: all, to: [file]}}
"""


def a_gateway(folder: Path, *, store: str = "sqlite:///gateway.db", config: str = CONFIG) -> Gateway:
    """Made, not opened."""
    path = folder / "gateway.yaml"
    path.write_text(config.replace("STORE", store))
    path.chmod(0o600)
    return Gateway(load(path, environ={}))


def serve(folder: Path, **more: Any) -> Served:
    """A pair of listeners with a real gateway behind them."""
    made: Any = a_gateway(folder, **more)
    return Served(made)


def fill(served: Served, events: int = 3) -> None:
    """Some events that are delivered, and one refused callback."""
    for number in range(events):
        assert served.post(Player().body(number=number)).status == 200
    assert served.post(b'{"event_type": "RECORD_START", "auth_sign": "not-his"}').status == 401
    until(served, "/refused", lambda page: page["items"])  # they are written beside the answer


@contextmanager
def serve_filled(folder: Path) -> Iterator[Served]:
    """A gateway that has delivered three events and refused a callback, with a token in the file `token`; it is ended."""
    with serve(folder) as served:
        fill(served)
        until(served, "/events?state=delivered", lambda page: len(page["items"]) == 3)
        served.folder = folder  # type: ignore[attr-defined]
        (folder / "token").write_text(OPERATE)
        yield served
        served.ask()
        served.result()


def ask(
    served: Served,
    path: str,
    token: str | None = READ,
    method: str = "GET",
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """One request to the private listener."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\n"
    if token is not None:
        head += f"Authorization: Bearer {token}\r\n"
    if content:
        head += "Content-Type: application/json\r\n"
    for name, value in (headers or {}).items():
        head += f"{name}: {value}\r\n"
    with served.private() as client:
        return client.send(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content).reply()


def post(served: Served, path: str, body: Any = None, token: str | None = OPERATE, **headers: str) -> Reply:
    """One change."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(served, path, token, "POST", body, named)


def until(served: Served, path: str, wanted: Any) -> Any:
    """Ask until an answer is what is wanted."""
    answer: Any = None

    def holds() -> Any:
        nonlocal answer
        answer = ask(served, path).json()
        return wanted(answer)

    patience.until(holds, said=lambda: answer)
    return answer


def run_in(served: Served, work: Coroutine[Any, Any, Any]) -> Any:
    """Run something in the listeners' loop."""
    return asyncio.run_coroutine_threadsafe(work, served.loop).result(timeout=PATIENCE_S)
