"""The changing half of the admin API: acts, bulk acts as jobs, requests that are done once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.service import AdminService
from gateway.errors import StoreUnavailable
from tests.web.admin_api import CONFIG, OPERATE, ask, fill, post, serve, until
from tests.web.doors import Served
from tests.web.raw_client import Reply

RECORDINGS = {"type": "recording.*"}
HELD = CONFIG.replace("to: [file]}", "to: [gone]}")  # what goes to a sink that is not there waits


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path, config=HELD) as served:
        fill(served, 5)
        yield served
        served.ask()
        served.result()


def waiting_deliveries(served: Served) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = ask(served, "/deliveries?state=waiting").json()["items"]
    return items


def ended(served: Served, job: int) -> Any:
    return until(served, f"/jobs/{job}", lambda answer: answer["finished_at"] is not None)


def bulk(served: Served, body: dict[str, Any]) -> int:
    seen = post(served, "/bulk", {**body, "preview": True}).json()
    reply = post(served, "/bulk", {**body, "upto": seen["upto"]})
    assert reply.status == 202, reply.json()
    return int(reply.json()["job"])


def paused(served: Served) -> None:
    assert post(served, "/sinks/gone/pause").json()["text"] == "paused"
    until(served, "/deliveries?state=sending", lambda page: not page["items"])


def test_each_act_is_done_and_written_down_with_the_tokens_name(served: Served) -> None:
    paused(served)
    delivery = waiting_deliveries(served)[0]
    assert delivery["held"] == "paused"
    number, ref = delivery["id"], delivery["event_ref"]
    assert post(served, f"/deliveries/{number}/cancel").json() == {
        "target": str(number),
        "done": True,
        "text": "cancelled",
    }
    assert ask(served, f"/deliveries/{number}").json()["reason"] == "cancelled"
    assert post(served, f"/deliveries/{number}/retry").json()["text"] == "a new round begins"
    assert "file" in post(served, f"/events/{ref}/replay", {"to": ["file"]}).json()["text"]
    assert post(served, f"/events/{ref}/release").status == 409
    assert post(served, f"/events/{ref}/erase").json()["text"] == "erased"
    assert ask(served, f"/events/{ref}").status == 404
    assert post(served, "/sinks/gone/resume").json()["text"] == "goes on"
    acts = [(row["act"], row["who"]) for row in ask(served, "/audit").json()["items"]]
    for act in (
        "deliveries cancel",
        "deliveries retry",
        "events replay",
        "events erase",
        "sinks pause",
        "sinks resume",
    ):
        assert (act, "ops") in acts


def test_a_refused_callback_is_verified_again(served: Served) -> None:
    kept = until(served, "/refused", lambda page: page["items"])  # it is written after its answer
    number = kept["items"][0]["id"]
    shown = ask(served, f"/refused/{number}").json()
    assert shown["meaning"]
    reply = post(served, f"/refused/{number}/retry")
    assert (reply.status, reply.json()["code"]) == (409, "not_done")
    assert "still refused" in reply.json()["detail"]


def test_a_bulk_act_needs_a_preview_and_touches_nothing_that_came_after_it(served: Served) -> None:
    paused(served)
    asked = {"act": "cancel", "filter": {"sink": "gone"}, "rate": "1000/s"}
    assert post(served, "/bulk", asked).json()["code"] == "preview_first"
    seen = post(served, "/bulk", {**asked, "preview": True}).json()
    assert seen["matched"] == 5
    fill(served, 2)
    job = post(served, "/bulk", {**asked, "upto": seen["upto"]}).json()["job"]
    done = ended(served, job)
    assert (done["state"], done["done"], done["matched"]) == ("done", 5, 5)
    assert len(waiting_deliveries(served)) == 2
    row = ask(served, "/audit?act=bulk%20cancel").json()["items"][0]
    assert (row["who"], row["matched"], row["done"]) == ("ops", 5, 5)


def test_a_bulk_act_keeps_to_its_rate_can_be_cancelled_and_what_was_done_stays(served: Served) -> None:
    paused(served)
    job = bulk(served, {"act": "cancel", "filter": {"sink": "gone"}, "rate": "1/1m"})
    until(served, f"/jobs/{job}", lambda answer: answer["done"] == 1)
    assert post(served, f"/jobs/{job}/cancel").json()["state"] == "cancelled"
    assert post(served, f"/jobs/{job}/cancel").status == 409
    assert len(waiting_deliveries(served)) == 4


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"act": "retri", "preview": True}, "did you mean 'retry'"),
        ({"act": "retry", "preview": True, "filter": {"snk": "x"}}, "did you mean 'sink'"),
        ({"act": "retry", "preview": True, "filter": {"sink": "gon"}}, "did you mean 'gone'"),
        ({"act": "release", "preview": True, "filter": {"held": "quarantined"}}, "one by one"),
        ({"act": "move", "preview": True, "filter": {"sink": "gone"}}, "`to`"),
        ({"act": "move", "preview": True, "to": ["file"]}, "give filter.sink"),
        ({"act": "move", "preview": True, "to": ["file"], "filter": {"sink": ["gone", "file"]}}, "one sink"),
        ({"act": "move", "preview": True, "to": ["gone"], "filter": {"sink": "gone"}}, "two different sinks"),
        ({"act": "move", "preview": True, "to": ["gone"], "filter": {"sink": ["gone"]}}, "two different sinks"),
        ({"act": "retry", "preview": True, "to": ["file"]}, "`to` goes with replay"),
        ({"act": "replay", "preview": True, "to": ["file"], "reroute": True}, "`to` goes with replay, without reroute"),
        ({"act": "erase", "preview": True, "reroute": True}, "`reroute` goes with replay"),
        ({"act": "replay", "preview": True, "to": ["fil"]}, "did you mean 'file'"),
        ({"act": "retry", "upto": 9, "rate": "5000/s"}, "at most 1000"),
        ({"act": "retry", "upto": 9, "rate": "quickly"}, "rate"),
        ({"act": "erase", "preview": True, "previw": True}, "did you mean 'preview'"),
    ],
)
def test_a_bulk_act_that_cannot_be_meant_is_refused(served: Served, body: dict[str, Any], said: str) -> None:
    reply = post(served, "/bulk", body)
    assert reply.status == 400, reply.json()
    assert said in reply.json()["detail"]


def test_every_bulk_act_does_what_its_single_act_does(served: Served) -> None:
    paused(served)
    assert ended(served, bulk(served, {"act": "move", "filter": {"sink": "gone"}, "to": ["file"]}))["done"] == 5
    until(served, "/deliveries?state=delivered", lambda page: len(page["items"]) == 5)
    assert ended(served, bulk(served, {"act": "replay", "to": ["gone"], "filter": RECORDINGS}))["done"] == 5
    assert len(waiting_deliveries(served)) == 5
    assert ended(served, bulk(served, {"act": "cancel", "filter": {"sink": ["gone"]}}))["done"] == 5
    assert ended(served, bulk(served, {"act": "retry"}))["done"] == 5
    assert ended(served, bulk(served, {"act": "release"}))["matched"] == 0
    (alarm,) = until(served, "/events?type=gateway.*", lambda page: page["items"])["items"]  # of the refused callback
    assert ended(served, bulk(served, {"act": "erase", "filter": {"stream": "*"}}))["done"] == 5
    assert [item["id"] for item in ask(served, "/events").json()["items"]] == [alarm["id"]]  # it is of no stream
    assert ask(served, "/events?domain=live").json()["items"] == []


def test_a_job_goes_on_after_a_restart_and_stops_when_its_token_was_removed(tmp_path: Path) -> None:
    with serve(tmp_path, config=HELD) as first:
        fill(first, 5)
        paused(first)
        slow = bulk(first, {"act": "cancel", "filter": {"sink": "gone"}, "rate": "1/1m"})
        until(first, f"/jobs/{slow}", lambda answer: answer["done"] == 1)
        first.ask()
        first.result()
    with serve(tmp_path, config=HELD) as second:
        until(second, f"/jobs/{slow}", lambda answer: answer["done"] == 2)
        second.ask()
        second.result()
    other = HELD.replace(OPERATE, "p" * 40)
    with serve(tmp_path, config=other) as third:
        done = until(third, f"/jobs/{slow}", lambda answer: answer["finished_at"])
        assert done["state"] == "stopped"
        assert "token" in done["result"]
        third.ask()
        third.result()


def test_a_request_with_a_key_is_done_once(served: Served) -> None:
    paused(served)
    number = waiting_deliveries(served)[0]["id"]
    first, again = (post(served, f"/deliveries/{number}/cancel", idempotency_key="k1") for _ in range(2))
    assert first.json()["text"] == again.json()["text"] == "cancelled"
    assert again.header("idempotency-replayed") == "true"
    assert post(served, f"/deliveries/{number}/cancel").json()["text"] != "cancelled"
    assert post(served, f"/deliveries/{number}/retry", idempotency_key="k1").json()["code"] == "idempotency_key_reused"
    acts = [row["act"] for row in ask(served, "/audit").json()["items"]]
    assert acts.count("deliveries cancel") == 2


@pytest.mark.parametrize("error", [StoreUnavailable("the disk is away"), RuntimeError("a bug")])
def test_a_request_with_a_key_that_came_to_no_answer_may_be_sent_again(
    served: Served, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fails(*_: object) -> None:
        raise error

    paused(served)
    path = f"/deliveries/{waiting_deliveries(served)[0]['id']}/cancel"
    with monkeypatch.context() as patch:
        patch.setattr(AdminService, "cancel", fails)
        assert post(served, path, idempotency_key="k3").status == (503 if isinstance(error, StoreUnavailable) else 500)
    again = post(served, path, idempotency_key="k3")
    assert (again.status, again.json()["text"], again.header("idempotency-replayed")) == (200, "cancelled", None)


def test_a_request_with_a_key_that_is_under_way_is_not_begun_again(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused(served)
    path = f"/deliveries/{waiting_deliveries(served)[0]['id']}/cancel"
    cancel, second = AdminService.cancel, list[Reply]()

    async def slowly(self: AdminService, *arguments: Any) -> Any:
        second.append(await asyncio.to_thread(post, served, path, idempotency_key="k4"))
        return await cancel(self, *arguments)

    monkeypatch.setattr(AdminService, "cancel", slowly)
    assert post(served, path, idempotency_key="k4").json()["text"] == "cancelled"
    assert [(one.status, one.json()["code"], one.header("retry-after")) for one in second] == [
        (409, "in_progress", "1")
    ]


def test_the_answer_to_what_changes_nothing_is_kept_for_no_key(served: Served) -> None:
    """It holds an event whole, which would be there for a day longer than the event itself."""
    event = {"type": "recording.failed"}
    replies = [post(served, "/route", {"event": event}, idempotency_key="k2") for _ in range(2)]
    assert {reply.status for reply in replies} == {200}
    assert replies[1].header("idempotency-replayed") is None


def test_a_body_is_json_small_and_says_nothing_unknown(served: Served) -> None:
    for body, status, code in (
        ({"ids": [1], "x": 1}, 400, "unknown_field"),
        ({"ids": []}, 400, "unknown_value"),
        ({"ids": ["x" * 70_000]}, 413, "body_too_large"),
        ([1], 400, "malformed_body"),
    ):
        reply = post(served, "/deliveries/retry", body)
        assert (reply.status, reply.json()["code"]) == (status, code)
    text = json.dumps({"ids": [1]})
    with served.private() as client:
        head = f"POST /api/v1/deliveries/retry HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OPERATE}\r\n"
        head += f"Content-Type: multipart/form-data\r\nContent-Length: {len(text)}\r\n\r\n{text}"
        assert client.send(head.encode()).reply().status == 415
