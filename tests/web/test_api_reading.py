"""The reading half of the admin API, with a real gateway and a real store behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.config.load import load
from tests.running import KEY, Player
from tests.web.doors import Served

OPERATE, READ = "o" * 40, "r" * 40
CONFIG = f"""
version: 1
server: {{port: 0}}
admin:
  port: 0
  tokens: [{{name: ops, token: {OPERATE}, role: operate}}, {{name: look, token: {READ}}}]
store: sqlite:///gateway.db
sources:
  live: {{type: huawei-live, keys: ["{KEY}"], domains: [push.example.com], apps: [live]}}
sinks:
  file: {{type: file, path: events.jsonl}}
routes:
  - {{name: all, to: [file]}}
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("api") / "gateway.yaml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    made: Any = Gateway(load(path, environ={}))
    with Served(made) as served:
        for number in range(3):
            assert served.post(Player().body(number=number)).status == 200
        assert served.post(b'{"event_type": "RECORD_START"}').status == 401
        yield served
        served.ask()
        served.result()


def ask(served: Served, path: str, token: str = READ, method: str = "GET", body: Any = None) -> Any:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    with served.private() as client:
        return client.send(head.encode() + content).reply()


def test_a_list_is_read_page_by_page_with_cursors(served: Served) -> None:
    first = ask(served, "/events?limit=2").json()
    assert len(first["items"]) == 2
    assert first["next"]
    rest = ask(served, f"/events?limit=2&cursor={first['next']}").json()
    assert len(rest["items"]) == 1
    assert rest["next"] is None
    assert len({one["ref"] for one in first["items"] + rest["items"]}) == 3


@pytest.mark.parametrize(
    ("path", "status", "code", "said"),
    [
        ("/events?typ=x", 400, "unknown_filter", "did you mean 'type'"),
        ("/events?type=recording.faild", 400, "unknown_value", "did you mean 'recording.failed'"),
        ("/events?source=liv", 400, "unknown_value", "did you mean 'live'"),
        ("/events?state=deed", 400, "unknown_value", "did you mean 'dead'"),
        ("/events?since=soon", 400, "unknown_value", "a time"),
        ("/events?limit=201", 400, "unknown_value", "limit"),
        ("/events?cursor=x", 400, "invalid_cursor", "begin without one"),
        ("/deliveries?sink=fil", 400, "unknown_value", "did you mean 'file'"),
        ("/deliveries?held=retri", 400, "unknown_value", "did you mean 'retry'"),
        ("/events/nothing-like-it", 404, "not_found", "no event"),
        ("/deliveries/99999", 404, "not_found", "no delivery"),
        ("/deliveries/x", 404, "not_found", "no number"),
    ],
)
def test_what_there_is_not_is_refused_with_what_was_probably_meant(
    served: Served, path: str, status: int, code: str, said: str
) -> None:
    reply = ask(served, path)
    assert (reply.status, reply.json()["code"]) == (status, code), reply.json()
    assert said in reply.json()["detail"]


def test_an_event_shows_its_deliveries_verdicts_and_bytes(served: Served) -> None:
    ref = ask(served, "/events?limit=1").json()["items"][0]["ref"]
    shown, whole = (ask(served, f"/events/{ref}", token).json() for token in (READ, OPERATE))
    assert shown["verdicts"][0]["routes"][0]["route"] == "all"
    assert [one["sink"] for one in shown["deliveries"]] == ["file"]
    assert shown["raw"]["masked"]
    assert "auth_sign" in shown["raw"]["text"]
    sign = json.loads(whole["raw"]["text"])["auth_sign"]
    assert sign not in json.dumps(shown)
