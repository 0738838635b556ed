"""The reading half of the admin API, with a real gateway and a real store behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from gateway.config import route_trial
from gateway.config.document.diagnostics import ConfigError
from tests.web.admin_api import OPERATE, READ, ask, fill, post, run_in, serve, until
from tests.web.doors import Served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("api")) as served:
        fill(served)
        yield served
        served.ask()
        served.result()


def test_a_list_is_read_page_by_page_with_cursors(served: Served) -> None:
    first = ask(served, "/events?source=live&limit=2").json()
    assert len(first["items"]) == 2
    rest = ask(served, f"/events?source=live&limit=2&cursor={first['next']}").json()
    assert len(rest["items"]) == 1
    assert rest["next"] is None
    assert len({event["ref"] for event in first["items"] + rest["items"]}) == 3


@pytest.mark.parametrize(
    ("path", "status", "code", "said"),
    [
        ("/events?typ=x", 400, "unknown_filter", "did you mean 'type'"),
        ("/events?type=recording.faild", 400, "unknown_value", "did you mean 'recording.failed'"),
        ("/events?source=liv", 400, "unknown_value", "did you mean 'live'"),
        ("/events?state=deed", 400, "unknown_value", "did you mean 'dead'"),
        ("/events?since=soon", 400, "unknown_value", "a time"),
        ("/events?since=9999999999d", 400, "unknown_value", ""),
        ("/events?source=live&limit=201", 400, "unknown_value", "limit"),
        ("/events?source=live&limit=1&limit=2", 400, "unknown_value", "twice"),
        ("/events?cursor=x", 400, "invalid_cursor", "begin without one"),
        ("/events?cursor=MDAwMDE", 400, "invalid_cursor", "begin without one"),
        ("/deliveries?sink=fil", 400, "unknown_value", "did you mean 'file'"),
        ("/events?held=conflct", 400, "unknown_value", "did you mean 'conflict'"),
        (
            "/events?held=maybe",
            400,
            "unknown_value",
            "held: 'maybe' is none of them; there are: true, false, conflict, quarantined",
        ),
        ("/deliveries?held=retri", 400, "unknown_value", "did you mean 'retry'"),
        ("/overview?window=2h", 400, "unknown_value", ""),
        ("/store?x=1", 400, "unknown_filter", "takes none"),
        ("/events/nothing-like-it", 404, "not_found", "no event"),
        ("/deliveries/99999", 404, "not_found", "no delivery"),
        ("/deliveries/x", 404, "not_found", "no number"),
        ("/sinks/fil", 404, "not_found", "file"),
        ("/sources/x", 404, "not_found", "live"),
        ("/recordings?state=opn", 400, "unknown_value", "did you mean 'open'"),
        ("/recordings?source=liv", 400, "unknown_value", "did you mean 'live'"),
        ("/recordings/7000", 404, "not_found", "no recording"),
        ("/jobs/7", 404, "not_found", "no job"),
    ],
)
def test_what_there_is_not_is_refused_with_what_was_probably_meant(
    served: Served, path: str, status: int, code: str, said: str
) -> None:
    reply = ask(served, path)
    assert (reply.status, reply.json()["code"]) == (status, code), reply.json()
    assert said in reply.json()["detail"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("?source=live", 3),  # the gateway's own alarms come when they come
        ("?type=recording.file.completed,recording.failed&source=live", 3),
        ("?type=recording.failed", 0),
        ("?domain=push.*&app=live&trust=fields", 3),
        ("?trust=none,timestamp", 0),
        ("?state=unrouted&source=live", 0),
        ("?held=true", 0),
        ("?held=false&source=live", 3),
        ("?since=1h&source=live", 3),
        ("?until=1h&source=live", 0),
        ("?subject=*/nothing", 0),
        ("?q=nothing", 0),
    ],
)
def test_events_are_found_by_what_is_known_of_them(served: Served, query: str, count: int) -> None:
    assert len(ask(served, f"/events{query}").json()["items"]) == count


def test_an_event_is_found_by_the_beginning_of_its_id_or_stream(served: Served) -> None:
    event = ask(served, "/events?source=live&limit=1").json()["items"][0]
    for beginning in (event["id"][:8], event["subject"].rpartition("/")[2][:3]):
        assert event["ref"] in [one["ref"] for one in ask(served, f"/events?q={beginning}").json()["items"]]


def test_an_event_shows_its_deliveries_verdicts_and_bytes_without_credentials_to_whom_may_read(served: Served) -> None:
    ref = ask(served, "/events?source=live&limit=1").json()["items"][0]["ref"]
    shown, whole = (ask(served, f"/events/{ref}", token).json() for token in (READ, OPERATE))
    assert shown["verdicts"][0]["routes"][0]["route"] == "all"
    assert [delivery["sink"] for delivery in shown["deliveries"]] == ["file"]
    assert shown["raw"]["masked"]
    assert "auth_sign" in shown["raw"]["text"]
    sign = json.loads(whole["raw"]["text"])["auth_sign"]
    assert sign not in json.dumps(shown)


def test_looking_at_credentials_and_taking_the_bytes_is_written_down(served: Served) -> None:
    ref = ask(served, "/events?source=live&limit=1").json()["items"][0]["ref"]
    raw = ask(served, f"/events/{ref}/raw", OPERATE)
    assert raw.status == 200
    assert raw.header("content-type") == "application/octet-stream"
    assert raw.header("content-disposition") == f'attachment; filename="{ref}.bin"'
    assert "sandbox" in (raw.header("content-security-policy") or "")
    rows = ask(served, "/audit?act=events%20reveal&who=ops").json()["items"]
    assert rows
    assert ref in rows[0]["target"]


def test_a_refused_callback_is_whole_to_whom_may_operate_and_that_is_written_down(served: Served) -> None:
    number = ask(served, "/refused?source=live&limit=1").json()["items"][0]["id"]
    shown, whole, masked = (
        ask(served, f"/refused/{number}{query}", token).json()
        for query, token in (("", READ), ("", OPERATE), ("?masked=true", OPERATE))
    )
    assert shown == masked
    assert (shown["masked"], whole["masked"]) == (True, False)
    assert "********" in shown["body"]
    assert json.loads(whole["body"])["auth_sign"] == "not-his"
    rows = ask(served, "/audit?act=refused%20reveal&who=ops").json()["items"]
    assert [row["target"] for row in rows] == [f"{number} of live"]


def test_the_overview_counts_what_came_what_left_and_what_was_refused(served: Served) -> None:
    until(served, "/events?state=delivered", lambda page: len(page["items"]) == 3)
    run_in(served, served.behind.admin._teller._store_counts())
    seen = ask(served, "/overview?window=1h").json()
    assert seen["last_1h"]["arrived"] == 3
    assert seen["last_1h"]["refused"] == {"signature_missing": 1}
    assert seen["last_24h"]["delivered"] == 3
    assert sum(point["arrived"] for point in seen["minutes"]) == 3
    assert len(seen["minutes"]) == 60
    assert [series["name"] for series in seen["plots"]["sinks"]] == ["file"]
    source = ask(served, "/sources/live").json()
    assert (source["events_24h"], source["refused_24h"]) == (3, {"signature_missing": 1})
    assert [(one["trust"], one["count"]) for one in source["verified"]] == [("fields", 3)]
    sink = ask(served, "/sinks/file").json()
    assert (sink["attempts_1h"], sink["failed_1h"], sink["state"]) == (3, 0, "ready")
    assert sink["latency"]["p50"] > 0


def test_sinks_are_counted_exactly_where_that_is_asked_for(served: Served) -> None:
    until(served, "/events?state=delivered", lambda page: len(page["items"]) == 3)
    items = {sink["name"]: sink for sink in ask(served, "/sinks?exact=true").json()["items"]}
    assert items["file"]["delivered"] == 3
    assert items["gone"]["type"] == "forward"


def test_the_configuration_is_shown_without_a_secret(served: Served) -> None:
    text = json.dumps(ask(served, "/config").json())
    assert OPERATE not in text
    assert READ not in text
    assert "demo-0123" not in text
    assert "push.example.com" in text


def test_a_route_is_tried_without_being_saved_and_without_files_variables_or_plugins(served: Served) -> None:
    event = {"type": "recording.failed", "stream": "vip-7"}
    assert post(served, "/route", {"event": event}, READ).json()["sinks"] == ["file"]
    routes = 'routes:\n  - {name: vips, match: {stream: "vip-*"}, to: [gone]}\ntests:\n  - {event: {type: recording.failed, stream: x}, expect: [gone]}\n'
    answer = post(served, "/route", {"event": event, "config": routes}, READ).json()
    assert (answer["sinks"], answer["now"]) == (["gone"], ["file"])
    assert len(answer["tests"]) == 1
    listed = "- {name: vod, where: 'event.data.app == \"vod\"', to: [gone]}\n- {name: rest, to: [file]}"
    answer = post(served, "/route", {"event": event, "config": listed}, READ).json()
    assert (answer["sinks"], [one["route"] for one in answer["routes"]]) == (["file"], ["vod", "rest"])
    for wrong, said in (
        ("nothing but a text", "a mapping with `routes` and `tests`"),
        ("routes: [{name: a, match: {stream: x}, to: [fil]}]", "did you mean"),
        ("routes: [{name: a, where: 'event.nothing(', to: [file]}]", "column"),
        ("tests: [{callback: {source: live, file: /etc/passwd}, expect: []}]", "no file is read"),
        ("routes: [" + "{to: [file]}," * 101 + "]", "at most 100"),
    ):
        reply = post(served, "/route", {"event": event, "config": wrong}, READ)
        assert (reply.status, reply.json()["code"]) == (422, "configuration_invalid"), reply.json()
        assert said in json.dumps(reply.json()["problems"])
    literal = "routes: [{name: a, match: {stream: '${HOME}'}, to: [file]}]"
    assert post(served, "/route", {"event": event, "config": literal}, READ).json()["routes"][0]["pattern"] == [
        "${HOME}"
    ]


def test_routes_that_are_tried_may_be_neither_large_nor_slow(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="at most 65536"):
        route_trial.read_routes("#" + "ü" * 40_000, served.behind.loaded)  # type: ignore[attr-defined]
    slow = "routes: [{name: quick, to: [file]}, {name: slow, where: 'event.data.app == \"x\"', to: [file]}]"
    trial = route_trial.read_routes(slow, served.behind.loaded)  # type: ignore[attr-defined]
    event = route_trial.described({"type": "recording.failed"}, served.behind.loaded)  # type: ignore[attr-defined]
    monkeypatch.setattr(time, "perf_counter", iter([0.0, 0.1, route_trial.BUDGET_SECONDS + 0.1]).__next__)
    with pytest.raises(ConfigError, match="the expressions up to slow take more than") as refused:
        route_trial.decide(trial.routes, event)
    assert [one.path for one in refused.value.problems] == ["routes.slow.where"]


def test_trying_routes_is_allowed_a_few_times_a_minute_for_each_token(served: Served) -> None:
    replies = [post(served, "/route", {"event": {"type": "recording.failed"}}) for _ in range(22)]
    assert replies[-1].status == 429
    assert replies[-1].header("retry-after")


def test_events_become_recordings_while_the_gateway_runs(served: Served) -> None:
    listed = until(
        served, "/recordings?source=live", lambda page: sum(one["events_total"] for one in page["items"]) == 3
    )
    (item, *_) = listed["items"]
    assert ask(served, f"/recordings/{item['id']}").json() == item
    assert ask(served, f"/events/{item['events'][0]}").json()["session"] == item["id"]
    assert [one["id"] for one in ask(served, f"/recordings?stream={item['stream']}").json()["items"]] == [item["id"]]
    assert ask(served, "/recordings?since=1d&stream=nothing").json() == {"items": [], "next": None}
    links = [file["download_url"] for one in listed["items"] for file in one["files"]]
    assert links
    assert not any("?" in link and "***" not in link for link in links), "who may only read sees no signed query"
