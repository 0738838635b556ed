"""Consumers fetch from pull sinks over HTTP: leased, acknowledged, given back, waited for; and nobody else does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.admin import pull_desk
from gateway.web.api.pull_endpoints import PULL_ENDPOINTS
from tests.running import Player
from tests.web.admin_api import CONFIG, OPERATE, READ, ask, post, run_in, serve, until
from tests.web.doors import Client, Reply, Served

PULL, OTHER = "p" * 40, "q" * 40
PULLING = CONFIG.replace(
    "{name: look,",
    f"{{name: worker, token: {PULL}, role: pull, sinks: [q]}}, {{name: other, token: {OTHER}, role: pull, sinks: [p]}}, {{name: look,",
).replace(
    "routes:\n  - {name: all, to: [file]}",
    "  q: {type: pull, delivery: {concurrency: 100, retry: {initial: 10ms}}}\n  p: {type: pull}\nroutes:\n  - {name: all, to: [q]}",
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("pull"), config=PULLING) as served:
        yield served
        served.ask()
        served.result()


@pytest.fixture(autouse=True)
def _empty(served: Served) -> Iterator[None]:
    """What a test leaves is acknowledged."""
    yield
    while items := fetch(served, max=100)["items"]:
        tell(served, "ack", [one["receipt"] for one in items])


def whole(client: Client) -> Reply:
    """An answer in chunks."""
    reply = client.reply()
    if reply.header("transfer-encoding") != "chunked":
        return reply
    while not client._buffer.endswith(b"0\r\n\r\n"):
        assert client._more(), client._buffer
    rest, body = client._buffer, b""
    while rest != b"0\r\n\r\n":
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return Reply(reply.status, reply.headers, body)


def calling(served: Served, verb: str, body: Any, token: str = PULL, sink: str = "q") -> Client:
    client = served.private()
    content = json.dumps(body).encode()
    head = f"POST /api/v1/pull/{sink}/{verb} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    return client.send(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)


def call(served: Served, verb: str, body: Any, **more: str) -> Reply:
    with calling(served, verb, body, **more) as client:
        return whole(client)


def fetch(served: Served, **asked: Any) -> Any:
    reply = call(served, "lease", asked)
    assert reply.status == 200, reply
    return reply.json()


def tell(served: Served, verb: str, receipts: list[str], **more: Any) -> tuple[int, Any]:
    reply = call(served, verb, {"receipts": receipts, **more})
    return reply.status, reply.json()


def peek(served: Served) -> Any:
    return ask(served, "/pull/q", PULL).json()


def newest_body(served: Served) -> str:
    """The event as it is stored."""

    async def look() -> str:
        store: Any = served.behind.store  # type: ignore[attr-defined]
        rows = await store.ask(lambda session: session.rows("SELECT body FROM events ORDER BY seq DESC LIMIT 1"))
        return str(rows[0][0])

    return str(run_in(served, look()))


def signed_in(served: Served) -> str:
    """The cookie of somebody who may do everything."""
    reply = sign_in(served, OPERATE)
    assert reply.status == 303
    return (reply.header("set-cookie") or "").partition(";")[0]


def sign_in(served: Served, token: str) -> Reply:
    body = f"token={token}&next=/".encode()
    head = "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    with served.private() as client:
        return client.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body).reply()


def put(served: Served, count: int = 1) -> None:
    for _ in range(count):
        put.player = getattr(put, "player", Player())  # type: ignore[attr-defined]
        assert served.post(put.player.body()).status == 200  # type: ignore[attr-defined]


def test_an_event_is_fetched_byte_for_byte_and_acknowledged(served: Served) -> None:
    put(served)
    seen = peek(served)
    assert (seen["state"], seen["waiting"], seen["leased"]) == ("waits for a consumer", 1, 0)
    with calling(served, "lease", {"max": 5, "seconds": 90}) as client:
        reply = whole(client)
    ((item,), why) = (reply.json()["items"], reply.json()["why"])
    assert (why, item["attempt"], item["replay"]) == (None, 1, False)
    assert seen["items"][0]["event"] == item["event"]
    assert newest_body(served).encode() in reply.body
    assert peek(served)["state"] == "ready"
    assert tell(served, "ack", [item["receipt"]]) == (200, {"done": 1, "lost": []})
    detail = ask(served, f"/deliveries/{item['delivery']}").json()
    assert (detail["state"], detail["history"][0]["detail"]) == ("delivered", "acknowledged by worker")
    assert fetch(served) == {"items": [], "why": "empty"}


def test_what_is_given_back_comes_again_with_its_reason_for_people(served: Served) -> None:
    put(served)
    (item,) = fetch(served)["items"]
    assert tell(served, "nack", [item["receipt"]], reason="no space left", delay=0)[0] == 200
    row = ask(served, f"/deliveries/{item['delivery']}").json()
    assert (row["state"], row["last_error"]) == ("waiting", "no space left")
    (again,) = fetch(served, wait=5)["items"]
    assert (again["delivery"], again["attempt"]) == (item["delivery"], 2)
    assert tell(served, "nack", [again["receipt"]], outcome="released")[0] == 200
    (again,) = fetch(served, wait=5)["items"]
    assert again["attempt"] == 2
    assert tell(served, "nack", [again["receipt"]], outcome="refused", reason="no such stream")[0] == 200
    row = ask(served, f"/deliveries/{item['delivery']}").json()
    assert (row["state"], row["reason"], row["last_error"]) == ("dead", "refused", "no such stream")


def test_a_receipt_that_is_stale_forged_or_foreign_is_a_stated_error(served: Served) -> None:
    put(served, 2)
    one, two = (item["receipt"] for item in fetch(served)["items"])
    for verb in ("ack", "nack", "extend"):
        assert tell(served, verb, [one[:-2] + "zz"])[1]["code"] == "receipt_invalid"
        assert tell(served, verb, [one, "made-up"])[1]["code"] == "receipt_invalid"
        foreign = call(served, verb, {"receipts": [one]}, token=OTHER, sink="p")
        assert (foreign.status, foreign.json()["code"]) == (400, "receipt_invalid")
    assert tell(served, "nack", [one], outcome="released") == (200, {"done": 1, "lost": []})
    status, problem = tell(served, "ack", [one])
    assert (status, problem["code"]) == (409, "lease_lost")
    assert tell(served, "ack", [one, two]) == (200, {"done": 1, "lost": [one]})
    assert tell(served, "ack", [two, two]) == (200, {"done": 1, "lost": []})  # said again, told again
    assert tell(served, "extend", [two])[1]["code"] == "lease_lost"


def test_a_lease_is_extended_from_now(served: Served) -> None:
    put(served)
    (item,) = fetch(served, seconds=2)["items"]
    status, answer = tell(served, "extend", [item["receipt"]], seconds=3600)
    assert status == 200
    assert answer["items"][0]["leased_until"] > item["leased_until"]
    assert answer["lost"] == []


def test_a_consumer_that_waits_is_answered_when_something_comes(served: Served) -> None:
    with calling(served, "lease", {"wait": 30}) as client:
        until(served, "/sinks/q", lambda _: len(served.behind.dispatcher.lanes["q"]._waiters) == 1)  # type: ignore[attr-defined]
        put(served)
        assert len(whole(client).json()["items"]) == 1
    started = time.monotonic()
    assert fetch(served, wait=0.3) == {"items": [], "why": "empty"}
    assert time.monotonic() - started >= 0.3


def test_what_comes_after_a_consumer_left_is_the_next_ones(served: Served) -> None:
    lane = served.behind.dispatcher.lanes["q"]  # type: ignore[attr-defined]
    with calling(served, "lease", {"wait": 30}):
        until(served, "/sinks/q", lambda _: len(lane._waiters) == 1)
    until(served, "/sinks/q", lambda _: not lane._waiters)
    put(served)
    (item,) = fetch(served)["items"]
    assert item["attempt"] == 1


def test_those_who_wait_are_bounded_and_the_rest_is_told_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_desk, "WAITERS_PER_SINK_MAX", 2)
    lane = served.behind.dispatcher.lanes["q"]  # type: ignore[attr-defined]
    clients = [calling(served, "lease", {"wait": 30}) for _ in range(2)]
    until(served, "/sinks/q", lambda _: len(lane._waiters) == 2)
    refused = call(served, "lease", {"wait": 30})
    assert (refused.status, refused.json()["code"], refused.header("retry-after")) == (429, "too_many_consumers", "5")
    assert fetch(served) == {"items": [], "why": "empty"}
    for client in clients:
        client.sock.close()
    until(served, "/sinks/q", lambda _: not lane._waiters)


def test_an_answer_is_bounded_and_what_does_not_fit_goes_back(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_desk, "ANSWER_BYTES_MAX", 100)
    put(served, 3)
    attempts = []
    for _ in range(3):
        (item,) = fetch(served)["items"]
        attempts.append(item["attempt"])
        tell(served, "ack", [item["receipt"]])
    assert attempts == [1, 1, 1]


def test_a_paused_sink_says_so(served: Served) -> None:
    assert post(served, "/sinks/q/pause").status == 200
    put(served)
    assert fetch(served) == {"items": [], "why": "paused"}
    assert peek(served)["state"] == "paused"
    assert post(served, "/sinks/q/resume").status == 200
    assert len(fetch(served, wait=5)["items"]) == 1


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


def test_a_token_that_a_reload_takes_away_ends_the_wait(tmp_path: Path) -> None:
    with serve(tmp_path, config=PULLING) as served:
        lane = served.behind.dispatcher.lanes["q"]  # type: ignore[attr-defined]
        with calling(served, "lease", {"wait": 30}) as client:
            until(served, "/sinks/q", lambda _: len(lane._waiters) == 1)
            path = tmp_path / "gateway.yaml"
            path.write_text(path.read_text().replace("role: pull, sinks: [q]", "role: read"))
            assert post(served, "/reload").status == 200
            assert served.post(Player().body()).status == 200
            assert whole(client).json() == {"items": [], "why": "stopping"}
        assert call(served, "lease", {}).status == 403
        served.ask()
        served.result()
