"""The doors with the real gateway behind them: a real store, the real source, the hostile corpus."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.config.load import load
from gateway.testing.corpus import Case, cases
from tests.running import KEY, Player
from tests.web.doors import Served, post

CONFIG = f"""
version: 1
server: {{port: 0, body_timeout: 300ms}}
admin: {{port: 0}}
store: sqlite:///gateway.db
sources:
  live: {{type: huawei-live, keys: ["{KEY}"], domains: [push.example.com], apps: [live]}}
sinks:
  file: {{type: file, path: events.jsonl}}
routes:
  - {{name: all, to: [file]}}
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    path = folder / "gateway.yaml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    made: Any = _made(path)
    with Served(made) as served:
        yield served
        served.ask()
        ended = served.result()
    assert (ended.code, ended.clean) == (0, True)


def _made(path: Path) -> Gateway:
    # made outside its loop, as the command line makes it
    return Gateway(load(path, environ={}))


def test_a_signed_callback_is_accepted_and_known_again(shared: Served) -> None:
    body = Player().body(number=1)
    first, second = shared.post(body), shared.post(body)
    assert (first.status, first.json()["status"]) == (200, "accepted")
    assert (second.status, second.json()["status"]) == (200, "duplicate")
    assert first.json()["events"] == second.json()["events"]


@pytest.mark.parametrize("case", cases("body"), ids=str)
def test_a_hostile_body_is_refused(shared: Served, case: Case) -> None:
    reply = shared.post(case.value)
    unsigned = case.expected.startswith("401")  # what is only odd would be taken with a signature
    wanted = (401, "signature_missing") if unsigned else (400, "malformed_body")
    assert (reply.status, reply.json()["code"]) == wanted


@pytest.mark.parametrize("case", cases("path"), ids=str)
def test_a_hostile_path_is_not_found(shared: Served, case: Case) -> None:
    with shared.public() as client:
        reply = client.send(post(Player().body(number=2), path=case.value)).reply()
    expected = {"P12": range(400, 500), "P13": (200, *range(400, 500))}.get(case.id, (404,))
    assert reply.status in expected


@pytest.mark.parametrize("case", [case for case in cases("raw") if case.id not in ("R07", "R08")], ids=str)
def test_hostile_bytes_are_refused_or_closed(shared: Served, case: Case) -> None:
    with shared.public() as client:
        client.send(case.value)
        with contextlib.suppress(OSError):  # closed already
            client.sock.shutdown(socket.SHUT_WR)
        answer = client.rest()
    assert b"HTTP/1.1 5" not in answer
    assert b"HTTP/1.1 2" not in answer


def test_what_was_refused_at_the_door_is_in_the_metrics(shared: Served) -> None:
    shared.post(b"x" * 300_000)
    with shared.public() as client:
        client.send(b"POST /hooks/live HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        assert client.reply().status == 408
    lines = shared.get("/metrics").body.decode().splitlines()
    for code, source in (("body_too_large", "live"), ("body_timeout", "live"), ("malformed_request", "")):
        start = f'recording_gateway_refused_total{{code="{code}",source="{source}"}} '
        assert any(line.startswith(start) for line in lines), code


def test_it_is_ready(shared: Served) -> None:
    reply = shared.get("/readyz")
    assert (reply.status, reply.json()["status"]) == (200, "ready")
