"""The gateway's own alarms are events: told once at each edge, by one gateway of several, and never through what is broken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.alarms.watch import AlarmWatch
from gateway.config.document.diagnostics import ConfigError
from gateway.config.load import load
from gateway.config.route_tests import run_tests
from gateway.errors import GatewayError, Refused, StoreUnavailable, Unavailable
from gateway.events.alarm_text import alarm_text
from gateway.events.cloudevents import from_document, to_document
from gateway.events.samples import event_of, sample
from gateway.model import ALARM_TYPES, EVENT_TYPES, SINK_DOWN, Event, alarm_globs
from gateway.routing import Router
from gateway.routing.router import Route
from gateway.routing.verdicts import explain
from gateway.store.admin.audit import Actor
from gateway.store.outbox.conditions import Seen
from gateway.store.store import Store
from gateway.testing.inprocess import RunningGateway, running
from plugins.sinks.cards.card import View
from plugins.sinks.cards.text import plain
from plugins.sinks.cards.words import words
from plugins.sinks.console import line
from plugins.sinks.database.column_map import Mapped
from plugins.sinks.database.own_table import Standard

KEY = "demo-key-0123456789"
BASE: Mapping[str, Any] = {
    "version": 1,
    "sources": {"live": {"type": "huawei-live", "keys": [KEY]}},
    "sinks": {"app": {"type": "recorder"}, "ops": {"type": "recorder"}},
    "routes": [{"name": "recordings", "to": ["app"]}],
    "alarms": {"to": ["ops", "app"]},
}


TWO = {"app": {"type": "console"}, "ops": {"type": "console"}}


def alarms(gateway: RunningGateway) -> list[Event]:
    return [event for event in gateway.events() if event.alarm is not None]


def types(gateway: RunningGateway) -> list[str]:
    return [event.type for event in alarms(gateway)]


def got(gateway: RunningGateway, sink: str) -> list[str]:
    return [delivery.event.type for delivery in gateway.recorder(sink).seen if delivery.event.alarm is not None]


async def test_a_sink_that_breaks_is_told_once_and_once_more_when_it_is_mended_and_never_to_itself() -> None:
    async with running(BASE) as gateway:
        app = gateway.recorder("app")
        app.otherwise = Unavailable("503 from the app")
        await gateway.send("RECORD_START")
        await gateway.advance(3)
        assert types(gateway) == ["gateway.sink.down"]
        (down,) = alarms(gateway)
        assert down.alarm is not None
        assert (down.alarm.about, down.alarm.count, down.subject) == ("app", 1, "app")
        assert "503 from the app" in down.alarm.text
        assert down.alarm.link == "http://127.0.0.1:9090/sinks/app"
        await gateway.send("RECORD_START")
        await gateway.advance(90)
        assert types(gateway) == ["gateway.sink.down"]
        app.otherwise = None
        await gateway.advance(600)
        assert types(gateway) == ["gateway.sink.down", "gateway.sink.up"]
        assert got(gateway, "ops") == ["gateway.sink.down", "gateway.sink.up"]
        assert got(gateway, "app") == []


async def test_an_alarm_that_was_told_is_not_told_again_after_a_restart() -> None:
    async with running(BASE) as gateway:
        gateway.recorder("app").otherwise = Unavailable("gone")
        await gateway.send("RECORD_START")
        await gateway.advance(3)
        await gateway.restart()
        gateway.recorder("app").otherwise = Unavailable("gone")
        await gateway.advance(120)
        assert types(gateway) == ["gateway.sink.down"]
        gateway.recorder("app").otherwise = None
        await gateway.restart()
        await gateway.advance(900)
        assert types(gateway) == ["gateway.sink.down", "gateway.sink.up"]


async def test_deliveries_that_were_given_up_are_counted_into_one_alarm_a_minute() -> None:
    async with running(BASE) as gateway:
        gateway.recorder("app").otherwise = Refused("400 no such room")
        await gateway.send("RECORD_START")
        await gateway.advance(2)
        for _ in range(3):
            await gateway.send("RECORD_START")
        await gateway.advance(50)
        assert types(gateway) == ["gateway.delivery.dead"]
        await gateway.advance(20)
        assert [event.alarm.count for event in alarms(gateway) if event.alarm] == [1, 3]
        assert "3 deliveries to app" in alarms(gateway)[1].alarm.text  # type: ignore[union-attr]
        await gateway.advance(300)
        assert len(alarms(gateway)) == 2
        assert got(gateway, "ops") == ["gateway.delivery.dead"] * 2


async def test_what_a_person_retries_and_dies_again_is_told_again() -> None:
    async with running(BASE) as gateway:
        gateway.recorder("app").otherwise = Refused("400")
        await gateway.send("RECORD_START")
        await gateway.advance(2)
        with gateway._admin() as admin:
            admin.retry(gateway.deliveries("app")[0].id)
        await gateway.advance(120)
        assert types(gateway) == ["gateway.delivery.dead"] * 2


async def test_an_alarm_that_cannot_be_delivered_is_no_alarm() -> None:
    """Else two sinks that refuse everything would tell of each other for ever."""
    async with running(BASE) as gateway:
        for name in ("app", "ops"):
            gateway.recorder(name).otherwise = Refused("400")
        await gateway.send("RECORD_START")
        await gateway.advance(600)
        assert types(gateway) == ["gateway.delivery.dead"]


async def test_two_sinks_that_break_within_a_minute_are_two_alarms_at_most_and_the_second_names_what_is_left() -> None:
    sinks = {name: {"type": "recorder"} for name in ("a", "b", "c", "ops")}
    routes = [{"to": ["a", "b", "c"]}]
    async with running({**BASE, "sinks": sinks, "routes": routes, "alarms": {"to": ["ops", "b"]}}) as gateway:
        gateway.recorder("a").otherwise = Unavailable("gone")
        await gateway.send("RECORD_START")
        await gateway.advance(2)
        for name in ("b", "c"):
            gateway.recorder(name).otherwise = Unavailable("gone")
        await gateway.send("RECORD_START")
        await gateway.advance(30)
        assert [event.subject for event in alarms(gateway)] == ["a"]
        await gateway.advance(40)
        assert [event.subject for event in alarms(gateway)] == ["a", "b, c"]
        assert [delivery.sink for delivery in gateway.deliveries() if delivery.type == SINK_DOWN] == ["ops", "b", "ops"]


async def test_refused_callbacks_of_a_source_are_told_at_once_and_then_once_an_hour() -> None:
    """Anybody can cause them, so they must not fill a chat."""
    async with running(BASE) as gateway:
        for _ in range(30):
            await gateway.send("RECORD_START", tampered=True, settle=False)
            await gateway.advance(4)
        assert [(event.type, event.alarm and event.alarm.about) for event in alarms(gateway)] == [
            ("gateway.refusals", "live")
        ]
        await gateway.advance(3600)
        assert [event.alarm.count for event in alarms(gateway) if event.alarm] == [1, 29]


async def test_a_held_event_is_told() -> None:
    async with running(BASE) as gateway:
        source = gateway.source("live")
        callback = {"job_id": "1", "event_type": "RECORD_FILE_COMPLETE", "file_size": 1}
        for size in (1, 2):
            scene = {**callback, "file_size": size}
            await gateway.send("RECORD_FILE_COMPLETE", number=1, fields=scene, source=source.name)
        await gateway.advance(2)
        assert "gateway.event.held" in types(gateway)


async def test_a_configuration_that_is_refused_is_told_once_until_one_is_taken(tmp_path: Path) -> None:
    async with running({**BASE, "sinks": TWO}, folder=tmp_path) as gateway:
        path = gateway.gateway.loaded.path
        good = path.read_text()
        for _ in range(2):
            path.write_text("version: 1\nnonsense: yes\n")
            with pytest.raises(GatewayError):
                await gateway.gateway.reload(Actor("test", "here"))
            await gateway.advance(70)
        assert types(gateway) == ["gateway.reload.refused"]
        path.write_text(good)
        await gateway.gateway.reload(Actor("test", "here"))
        await gateway.advance(70)
        path.write_text("version: 1\nnonsense: yes\n")
        with pytest.raises(GatewayError):
            await gateway.gateway.reload(Actor("test", "here"))
        await gateway.advance(2)
        assert types(gateway) == ["gateway.reload.refused"] * 2


async def test_a_store_that_fills_up_is_told_at_80_percent_and_past_its_limit_there_is_room_for_alarms() -> None:
    limits = {"url": "sqlite:///gateway.db", "limits": {"waiting": 5}}
    async with running({**BASE, "store": limits}) as gateway:
        with gateway._admin() as admin:
            admin.pause("app")
        await gateway.advance(2)
        for _ in range(4):
            assert (await gateway.send("RECORD_START")).status == 200
        await gateway.advance(2)
        assert types(gateway) == ["gateway.store.limit"]
        await gateway.send("RECORD_START")
        assert (await gateway.send("RECORD_START")).status == 503
        gateway.recorder("ops").otherwise = Unavailable("gone")
        await gateway.gateway.store.trip("ops", 60_000, "gone")
        await gateway.advance(70)
        assert "gateway.sink.down" in types(gateway)  # though no callback is taken now
        gateway.recorder("ops").otherwise = None
        with gateway._admin() as admin:
            admin.resume("app")
        await gateway.advance(900)
        assert types(gateway).count("gateway.store.limit") == types(gateway).count("gateway.store.ok") == 1


async def test_what_cannot_be_stored_is_logged_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    async with running(BASE) as gateway:
        watch = gateway.gateway.alarms
        gateway.gateway.store.announce = _unavailable  # type: ignore[method-assign]
        watch.see("gateway.source.silent", "live", True, "nothing for 6 h")
        for _ in range(3):
            await watch.store_due()
        assert gateway.metric("alarms_lost_total", type="gateway.source.silent") == 1
        del gateway.gateway.store.announce
        await gateway.advance(1)
        assert types(gateway) == ["gateway.source.silent"]
        watch.see("gateway.source.silent", "live", False)
        await gateway.advance(1)
        assert types(gateway) == ["gateway.source.silent", "gateway.source.back"]
        assert gateway.metric("alarms_total", type="gateway.source.back") == 1
    assert "alarm_not_stored" in capsys.readouterr().out


def _unavailable(*_: object) -> object:
    raise StoreUnavailable("the disk is full")


async def test_of_several_gateways_on_one_database_exactly_one_tells(postgres_url: str) -> None:
    both = [Store(postgres_url, owner=f"host:{number}:aa") for number in (1, 2)]
    try:
        for store in both:
            await store.open()
            await store.begin_alarms()
        seen = [Seen("gateway.reload.refused", "configuration", True, "unknown key")]
        stored: list[Any] = []

        def make(due: Any) -> Any:
            from gateway.alarms.alarm_event import alarm_event, new_alarm

            event = alarm_event(due, language="en", page=None)
            return new_alarm(event, Router([]).decide(event))

        for _ in range(3):
            for one in await asyncio.gather(*(store.announce(seen, 60_000, make) for store in both)):
                stored += one
        assert [one.due.type for one in stored] == ["gateway.reload.refused"]
        await both[0].trip("ops", 60_000, "gone")
        await both[0].serving(["ops"])
        rounds = [await asyncio.gather(*(store.announce(seen, 60_000, make) for store in both)) for _ in range(3)]
        assert [one.due.about for pair in rounds for answer in pair for one in answer] == ["ops"]
    finally:
        for store in both:
            await store.close()


# --- routes


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        ({}, False),
        ({"type": ["*"]}, False),
        ({"type": ["recording.*", "stream.*"]}, False),
        ({"type": ["*.down"]}, False),
        ({"source": ["gateway"]}, False),
        ({"trust": ["body"]}, False),
        ({"type": ["gateway.*"]}, True),
        ({"type": ["gateway*"]}, True),
        ({"type": ["*", "gateway.store.*"]}, False),
        ({"type": ["recording.failed", "gateway.sink.down"]}, True),
        ({"type": ["gateway.*"], "source": ["gateway"]}, True),
        ({"type": ["gateway.*"], "stream": ["*"]}, False),
    ],
)
def test_a_route_of_recordings_takes_no_alarm_and_a_route_that_names_them_does(
    match: Mapping[str, Sequence[str]], wanted: bool
) -> None:
    decision = Router([Route(name="one", match=match, to=["mail"])]).decide(sample(SINK_DOWN))
    assert (decision.sinks == ("mail",)) is wanted
    assert explain(decision.json())[0].startswith("+ one" if wanted else "- one")


def test_a_catch_all_that_stops_keeps_no_alarm_from_its_route() -> None:
    routes = [
        Route(name="all", to=["app"], stop=True),
        Route(name="alarms", match={"type": ["gateway.*"]}, to=["mail"]),
    ]
    assert Router(routes).decide(sample(SINK_DOWN)).sinks == ("mail",)
    assert Router(routes).decide(sample("recording.failed")).sinks == ("app",)


def test_the_explanation_says_why_a_sink_hears_nothing_of_itself() -> None:
    route = Route(name="alarms", match={"type": ["gateway.*"]}, to=["ops", "mail"])
    decision = Router([route]).decide(event_of({"type": SINK_DOWN, "about": "ops"}))
    assert decision.sinks == ("mail",)
    assert "not to ops" in "\n".join(explain(decision.json()))
    assert Router([route]).decide(event_of({"type": "gateway.store.limit", "about": "ops"})).sinks == ("ops", "mail")


@pytest.mark.parametrize("globs", [["gateway.*"], ["recording.*"], ["*"]])
def test_only_globs_that_begin_with_gateway_mean_alarms(globs: list[str]) -> None:
    assert bool(alarm_globs(globs)) is (globs == ["gateway.*"])


# --- the configuration


def write(tmp_path: Path, changes: Mapping[str, Any]) -> Path:
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({**BASE, "sinks": {"ops": {"type": "console"}}, "routes": [{"to": ["ops"]}], **changes}))
    path.chmod(0o600)
    return path


def test_alarms_is_short_for_a_route(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, {"alarms": {"to": "ops", "types": "gateway.sink.*", "language": "zh"}}))
    assert loaded.settings.all_routes[-1].match == {"type": ("gateway.sink.*",)}
    assert loaded.settings.alarms.every == timedelta(minutes=1)
    assert loaded.settings.alarm_setup.language == "zh"
    assert load(write(tmp_path, {"alarms": {}})).settings.all_routes == loaded.settings.routes
    test = {"event": {"type": "gateway.sink.up", "about": "app"}, "expect": ["ops"]}
    told = load(
        write(tmp_path, {"routes": [{"to": ["app"]}], "sinks": TWO, "alarms": {"to": ["ops"]}, "tests": [test]})
    )
    assert run_tests(told) == []
    assert not [problem for problem in told.warnings if "no route names" in problem.found]


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ({"to": ["opps"]}, "did you mean"),
        ({"types": ["gateway.sink.downs"]}, "did you mean"),
        ({"types": ["recording.*"]}, "no alarm is of the type"),
        ({"every": "5s"}, "alarms.every"),
        ({"too": ["ops"]}, "alarms.too"),
        ([], "alarms"),
    ],
)
def test_a_mistake_in_alarms_is_said_where_it_is(tmp_path: Path, section: Any, text: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(write(tmp_path, {"alarms": section}))
    assert text in str(error.value)


# --- what it says


@pytest.mark.parametrize("type", ALARM_TYPES)
def test_every_alarm_has_a_sentence_in_both_languages_and_a_sample_that_survives_its_json(type: str) -> None:
    english, chinese = (alarm_text(type, "ops", 3, "503", language=language) for language in ("en", "zh-CN"))
    assert english != chinese
    assert english.endswith("503")
    assert chinese.endswith("503")
    assert "{" not in english + chinese
    assert any(letter >= "\u4e00" for letter in chinese)
    for full in (True, False):
        event = sample(type, full=full)
        document = to_document(event)
        assert from_document(document) == event
        assert event_of(document) == event
        assert {"about", "since", "count", "text", "detail", "link"} <= document["data"].keys()
    assert not {"about", "link"} & to_document(sample(EVENT_TYPES[0]))["data"].keys()


def test_the_number_of_one_is_singular() -> None:
    assert "1 delivery to ops was given up" in alarm_text("gateway.delivery.dead", "ops", 1)
    assert "1 event of live is held until a person releases it:" in alarm_text("gateway.event.held", "live", 1)


def test_what_a_vendor_calls_about_makes_no_alarm_of_a_recording() -> None:
    document = to_document(sample("recording.failed"))
    document["data"]["about"] = "ops"
    assert from_document(document).alarm is None


async def test_the_watch_ends_with_its_gateway() -> None:
    async with running(BASE) as gateway:
        watch: AlarmWatch = gateway.gateway.alarms
    assert watch._task is not None
    assert watch._task.done()


# --- what sinks make of it


@pytest.mark.parametrize("type", ALARM_TYPES)
def test_a_card_of_an_alarm_is_in_its_readers_language_whatever_the_events_text_is_in(type: str) -> None:
    event = event_of({"type": type, "about": "ops", "text": "some text in another language"})
    for language, label in (("en", "What"), ("zh-CN", "说明")):
        card = View(words(language), UTC).card(event)
        assert card.title.endswith("ops")
        assert card.facts[0].label == label
        assert card.facts[0].value == plain(alarm_text(type, "ops", 3, language=language))
        assert [link.url for link in card.links] == ["https://gateway.example.com/"]
        assert View(words(language), UTC).line(event).name.startswith(card.facts[0].value[:20])


def test_the_console_says_an_alarm_on_its_line() -> None:
    assert 'text="nothing can be delivered to ops' in line(sample(SINK_DOWN))


def test_the_databases_own_table_has_an_alarms_text_and_facts() -> None:
    (row,) = Standard("event", (), lambda: datetime(2026, 1, 1, tzinfo=UTC)).rows(sample(SINK_DOWN))
    assert row["error_message"].startswith("nothing can be delivered to ops")
    assert row["extra"]["about"] == "ops"
    mapped = Mapped({"id": "event.id", "about": "event.data.about", "n": "event.data.count"}, files=False)
    assert mapped.rows(sample(SINK_DOWN))[0]["about"] == "ops"
    assert mapped.rows(sample("recording.failed"))[0]["about"] is None
