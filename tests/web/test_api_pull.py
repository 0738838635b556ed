"""Consumers fetch from pull sinks over HTTP: leased, acknowledged, given back, waited for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.admin import consumers
from gateway.dispatch.pulled_lane import PulledLane
from gateway.errors import GatewayError, StoreUnavailable
from gateway.web.api import long_answer
from gateway.web.api.responses import refusal
from tests.running import Player
from tests.web.admin_api import ask, post, serve, until
from tests.web.doors import Served
from tests.web.pull_api import (
    OTHER,
    PULLING,
    call,
    fetch,
    leave_nothing,
    newest_body,
    open_call,
    peek,
    put,
    tell,
    whole,
)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("pull"), config=PULLING) as served:
        yield served
        served.ask()
        served.result()


@pytest.fixture(autouse=True)
def _empty(served: Served) -> Iterator[None]:
    yield
    leave_nothing(served)


def test_an_event_is_fetched_byte_for_byte_and_acknowledged(served: Served) -> None:
    put(served)
    seen = peek(served)
    assert (seen["state"], seen["waiting"], seen["leased"]) == ("waits for a consumer", 1, 0)
    with open_call(served, "lease", {"max": 5, "seconds": 90}) as client:
        reply = whole(client)
    ((item,), why) = (reply.json()["items"], reply.json()["why"])
    assert (why, item["attempt"], item["replay"], item["traceparent"]) == (None, 1, False, None)
    assert reply.header("content-length") == str(len(reply.body))
    assert seen["items"][0]["event"] == item["event"]
    assert newest_body(served).encode() in reply.body
    assert peek(served)["state"] == "ready"
    assert tell(served, "ack", [item["receipt"]]) == (200, {"done": 1, "lost": []})
    detail = ask(served, f"/deliveries/{item['delivery']}").json()
    assert (detail["state"], detail["history"][0]["detail"]) == ("delivered", "acknowledged by worker")
    assert fetch(served) == {"items": [], "why": "empty"}


def test_what_is_fetched_names_the_trace_of_its_callback(served: Served) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert served.post(Player().body(number=4711), more=f"traceparent: {parent}\r\n").status == 200
    (item,) = fetch(served)["items"]
    assert item["traceparent"][:36] == parent[:36]
    tell(served, "ack", [item["receipt"]])


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
    with open_call(served, "lease", {"wait": 30}) as client:
        until(served, "/sinks/q", lambda _: len(served.behind.dispatcher.lanes["q"]._waiters) == 1)  # type: ignore[attr-defined]
        put(served)
        assert len(whole(client).json()["items"]) == 1
    started = time.monotonic()
    assert fetch(served, wait=0.3) == {"items": [], "why": "empty"}
    assert time.monotonic() - started >= 0.3


def test_a_long_wait_is_no_idle_connection_and_its_answer_is_json_all_the_same(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_answer, "BLANK_SECONDS", 0.02)
    with open_call(served, "lease", {"wait": 30}) as client:
        while client._buffer.count(b"1\r\n \r\n") < 2:
            assert client._more()
        put(served)
        reply = whole(client)
    assert reply.body.startswith(b"  ")
    assert len(reply.json()["items"]) == 1


def test_a_store_that_goes_away_during_a_wait_is_said_in_the_answer_that_has_begun(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> None:
        raise StoreUnavailable("the disk is away")

    with monkeypatch.context() as patch:
        patch.setattr(PulledLane, "give_within", gone)
        assert fetch(served, wait=30) == {"items": [], "why": "store_unavailable"}
    put(served)
    assert len(fetch(served, wait=30)["items"]) == 1


@pytest.mark.parametrize(("sink", "status", "code"), [("none", 404, "not_found"), ("file", 409, "not_possible")])
def test_only_a_pull_sink_that_is_there_now_is_fetched_from(served: Served, sink: str, status: int, code: str) -> None:
    """A token lists no other one; a reload may change that between the look at the token and the lease."""
    with pytest.raises(GatewayError) as raised:
        served.behind.admin.pull.lane(sink)
    answer = refusal(raised.value)
    assert (answer.status_code, json.loads(bytes(answer.body))["code"]) == (status, code)


def test_what_comes_after_a_consumer_left_is_the_next_ones(served: Served) -> None:
    lane = served.behind.dispatcher.lanes["q"]  # type: ignore[attr-defined]
    with open_call(served, "lease", {"wait": 30}):
        until(served, "/sinks/q", lambda _: len(lane._waiters) == 1)
    until(served, "/sinks/q", lambda _: not lane._waiters)
    put(served)
    (item,) = fetch(served)["items"]
    assert item["attempt"] == 1


def test_callers_who_left_before_they_were_answered_take_nothing_with_them(served: Served) -> None:
    for _ in range(20):
        open_call(served, "lease", {"wait": 30, "seconds": 600}).sock.close()
    put(served)
    (item,) = fetch(served, wait=10)["items"]
    assert item["attempt"] == 1


def test_those_who_wait_are_bounded_and_the_rest_is_told_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "WAITERS_PER_SINK_MAX", 2)
    lane, waiting = served.behind.dispatcher.lanes["q"], served.behind.admin.pull._waiting  # type: ignore[attr-defined]
    until(served, "/sinks/q", lambda _: not waiting.total())
    clients = [open_call(served, "lease", {"wait": 30}) for _ in range(2)]
    until(served, "/sinks/q", lambda _: len(lane._waiters) == 2)
    refused = call(served, "lease", {"wait": 30})
    assert (refused.status, refused.json()["code"], refused.header("retry-after")) == (429, "too_many_consumers", "5")
    assert fetch(served) == {"items": [], "why": "empty"}
    for client in clients:
        client.sock.close()
    until(served, "/sinks/q", lambda _: not lane._waiters)


def test_an_answer_is_bounded_and_what_does_not_fit_goes_back(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "ANSWER_BYTES_MAX", 100)
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


def test_a_reload_sends_who_waits_home_and_takes_the_receipts_of_before(tmp_path: Path) -> None:
    with serve(tmp_path, config=PULLING) as served:
        put(served)
        (item,) = fetch(served)["items"]
        lane = served.behind.dispatcher.lanes["q"]  # type: ignore[attr-defined]
        with open_call(served, "lease", {"wait": 30}) as client:
            until(served, "/sinks/q", lambda _: len(lane._waiters) == 1)
            path = tmp_path / "gateway.yaml"
            path.write_text(path.read_text().replace("concurrency: 100", "concurrency: 1"))
            assert post(served, "/reload").status == 200
            assert whole(client).json() == {"items": [], "why": "stopping"}
        put(served)
        assert fetch(served) == {"items": [], "why": "concurrency"}
        assert tell(served, "ack", [item["receipt"]])[0] == 200
        assert len(fetch(served)["items"]) == 1
        served.ask()
        served.result()


def test_a_token_that_a_reload_takes_away_ends_the_wait(tmp_path: Path) -> None:
    with serve(tmp_path, config=PULLING) as served:
        lane = served.behind.dispatcher.lanes["q"]  # type: ignore[attr-defined]
        with open_call(served, "lease", {"wait": 30}) as client:
            until(served, "/sinks/q", lambda _: len(lane._waiters) == 1)
            path = tmp_path / "gateway.yaml"
            path.write_text(path.read_text().replace("role: pull, sinks: [q]", "role: read"))
            assert post(served, "/reload").status == 200
            assert served.post(Player().body()).status == 200
            assert whole(client).json() == {"items": [], "why": "stopping"}
        assert call(served, "lease", {}).status == 403
        served.ask()
        served.result()
