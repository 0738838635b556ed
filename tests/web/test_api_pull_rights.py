"""Only a consumer fetches, only from the sinks that its token lists, and it does nothing else; what it sends is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.web.api.pull_endpoints import PULL_ENDPOINTS
from tests.web.admin_api import OPERATE, READ, ask, serve
from tests.web.doors import Served
from tests.web.pull_api import OTHER, PULL, PULLING, call, sign_in, signed_in


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("pull"), config=PULLING) as served:
        yield served
        served.ask()
        served.result()


@pytest.mark.parametrize("endpoint", PULL_ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_only_a_consumer_fetches_and_only_from_its_own_sinks(served: Served, endpoint: Any) -> None:
    def said(token: str | None, sink: str = "q", **headers: str) -> tuple[int, str]:
        path = endpoint.path.format(sink=sink)
        body = {} if endpoint.name == "pull_lease" else {"receipts": ["x"]}
        reply = ask(served, path, token, endpoint.method, None if endpoint.method == "GET" else body, headers)
        return reply.status, reply.json().get("code", "")

    assert said(None) == (401, "unauthorized")
    for token, sink in ((READ, "q"), (OPERATE, "q"), (PULL, "p"), (OTHER, "q"), (PULL, "no-such"), (PULL, "file")):
        assert said(token, sink) == (403, "forbidden")
    assert said(None, Cookie=signed_in(served), Origin="http://localhost") == (401, "unauthorized")


@pytest.mark.parametrize(
    "path", ["/events", "/sinks", "/stream", "/config", "/route", "/overview", "/audit", "/openapi.json"]
)
def test_a_consumer_does_nothing_but_fetch(served: Served, path: str) -> None:
    reply = ask(served, path, PULL, "POST" if path == "/route" else "GET")
    assert (reply.status, reply.json()["code"]) == (403, "forbidden")


def test_a_consumers_token_signs_nobody_in(served: Served) -> None:
    reply = sign_in(served, PULL)
    assert reply.status == 403
    assert reply.header("set-cookie") is None
    assert PULL.encode() not in reply.body
    assert b"the token of a consumer: it fetches deliveries and opens no page" in reply.body


@pytest.mark.parametrize(
    ("verb", "body", "code"),
    [
        ("lease", {"max": 101}, "unknown_value"),
        ("lease", {"max": 0}, "unknown_value"),
        ("lease", {"wait": 61}, "unknown_value"),
        ("lease", {"seconds": 43_201}, "unknown_value"),
        ("lease", {"waits": 1}, "unknown_field"),
        ("ack", {"receipts": []}, "unknown_value"),
        ("ack", {"receipts": ["x"] * 101}, "unknown_value"),
        ("ack", {"receipts": ["x" * 101]}, "unknown_value"),
        ("ack", {}, "unknown_value"),
        ("nack", {"receipts": ["x"], "outcome": "refuse"}, "unknown_value"),
        ("nack", {"receipts": ["x"], "delay": -1}, "unknown_value"),
        ("nack", {"receipts": ["x"], "reason": "x" * 501}, "unknown_value"),
        ("extend", {"receipts": ["é"]}, "receipt_invalid"),
    ],
)
def test_what_is_sent_is_bounded(served: Served, verb: str, body: Any, code: str) -> None:
    reply = call(served, verb, body)
    assert (reply.status, reply.json()["code"]) == (400, code)
    assert call(served, verb, {"receipts": ["x" * 70_000]}).status == 413
