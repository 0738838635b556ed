"""The gateway's own alarms are events: told once at each edge, by one gateway of several, and never through what is broken."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import structlog

from gateway.alarms.raiser import AlarmRaiser
from gateway.errors import GatewayError, Refused, StoreUnavailable, Unavailable
from gateway.model import SINK_DOWN
from gateway.routing import Router
from gateway.runtime.duty import Duties
from gateway.store.admin.audit import Actor
from gateway.store.outbox.conditions import Seen
from gateway.store.store import Store
from gateway.testing.inprocess import RunningGateway, running
from tests.alarms.configured import BASE, TWO, alarms, types


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


async def test_a_gateway_that_sees_no_trouble_does_not_end_what_another_one_sees() -> None:
    async with running(BASE) as gateway:
        one = gateway.gateway.alarms
        other = AlarmRaiser(
            store=one._store, clock=one._clock, metrics=one._metrics, setup=one._setup, decide=one._decide, stored=one._stored,
            duties=Duties(one._clock),
        )  # fmt: skip
        one.see("gateway.reload.refused", "configuration", True, "unknown key")
        one.see("gateway.source.silent", "live", True, "nothing for 6 h")
        for looks in range(5):
            for about, type in (("configuration", "gateway.reload.refused"), ("live", "gateway.source.silent")):
                if looks:  # the first time is its start, which ends what its process may have seen before
                    other.see(type, about, False)  # type: ignore[arg-type]
            for watch in (one, other, one):
                await watch.store_due()
            await gateway.advance(70)
        assert sorted(types(gateway)) == [
            *["gateway.reload.refused"] * 2,
            "gateway.source.back",
            *["gateway.source.silent"] * 2,
        ]
        assert types(gateway)[-1] == "gateway.source.silent", "it holds, and that is what was said last"


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


async def stored(gateway: RunningGateway, *kinds: str) -> None:
    """These alarms and no others, soon: on a busy machine the raiser may be under way with what failed."""
    for _ in range(60):
        await gateway.advance(1)
        if types(gateway) == list(kinds):
            return
    assert types(gateway) == list(kinds)


async def test_what_cannot_be_stored_is_logged_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    async with running(BASE) as gateway:
        watch = gateway.gateway.alarms
        gateway.gateway.store.announce = _unavailable  # type: ignore[assignment,method-assign]
        watch.see("gateway.source.silent", "live", True, "nothing for 6 h")
        for _ in range(3):
            await watch.store_due()
        assert gateway.metric("alarms_lost_total", type="gateway.source.silent") == 1
        del gateway.gateway.store.announce
        await stored(gateway, "gateway.source.silent")
        watch.see("gateway.source.silent", "live", False)
        await stored(gateway, "gateway.source.silent", "gateway.source.back")
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


async def test_a_look_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    store_due, failures = AlarmRaiser.store_due, list[Exception]()

    async def fails(self: AlarmRaiser) -> None:
        if failures:
            raise failures.pop()
        await store_due(self)

    monkeypatch.setattr(AlarmRaiser, "store_due", fails)
    async with running(BASE) as gateway:
        failures += [RuntimeError("a bug"), RuntimeError("another")]
        gateway.recorder("app").otherwise = Unavailable("gone")
        with structlog.testing.capture_logs() as logs:
            await gateway.send("RECORD_START")
            await gateway.advance(5)
        assert [one["event"] for one in logs].count("background_failed") == 1  # once by kind
        assert types(gateway) == ["gateway.sink.down"]
