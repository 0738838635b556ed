"""`gateway.testing.running`: a whole gateway in a test, whose time is the test's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import Delivery, Options, Outcome, Played, Refused, Retry, Scene, Sink, Unavailable, hookimpl
from gateway.config.document.diagnostics import ConfigError
from gateway.testing import FrozenClock, Recorder, Reply, ScriptedServer, callback, running

KEY = "k" * 32
CONFIG: Mapping[str, Any] = {
    "sources": {"live": {"type": "huawei-live", "keys": [KEY]}},
    "sinks": {"app": {"type": "recorder"}},
    "routes": [{"to": ["app"]}],
}


def config(**changes: Any) -> dict[str, Any]:
    return {**CONFIG, **changes}


async def test_a_played_callback_is_accepted_and_delivered() -> None:
    async with running(CONFIG) as gateway:
        answer = await gateway.send("RECORD_FILE_COMPLETE")
        assert (answer.status, answer.json()["status"]) == (200, "accepted")
        [event] = gateway.delivered()
        assert [event.id] == list(answer.events)
        assert event.raw
        assert gateway.recorder().seen[0].event.id == event.id
        assert gateway.events() == [event]
        assert [attempt.outcome for attempt in gateway.attempts("app")] == [Outcome.DELIVERED]
        assert gateway.metric("deliveries_total", sink="app", outcome="delivered") == 1


async def test_every_call_of_send_is_another_callback_unless_it_is_numbered() -> None:
    async with running(CONFIG) as gateway:
        await gateway.send()
        await gateway.send()
        scene = Scene(type="RECORD_START", number=7, now=gateway.clock.now())
        assert [(await gateway.send(scene)).json()["status"] for _ in range(2)] == ["accepted", "duplicate"]
        assert len(gateway.delivered()) == 3


async def test_a_tampered_and_an_expired_callback_are_refused_at_the_door() -> None:
    async with running(CONFIG) as gateway:
        for code in ("signature_mismatch", "signature_expired"):
            answer = await gateway.send(tampered=code == "signature_mismatch", expired=code == "signature_expired")
            assert (answer.status, answer.json()["code"]) == (401, code)
            assert answer.headers["content-type"] == "application/problem+json"
        assert (await gateway.post(b"{", source="live")).status == 400
        assert (await gateway.post("{}", headers={"Content-Encoding": "gzip"})).status == 415
        assert gateway.events() == []


async def test_a_retry_comes_when_its_time_has_come_and_not_before() -> None:
    async with running(CONFIG) as gateway:
        gateway.recorder().answers.append(Retry("not now", timedelta(hours=2)))
        await gateway.send()
        [waiting] = gateway.deliveries("app", state="waiting")
        assert (waiting.waits_for, waiting.last_error) == ("retry", "not now")
        await gateway.advance(2 * 3600 - 120)
        assert gateway.delivered() == []
        await gateway.advance(180)
        assert len(gateway.delivered("app")) == 1
        assert [attempt.outcome for attempt in gateway.attempts()] == [Outcome.RETRY, Outcome.DELIVERED]


async def test_give_up_and_refusal_end_as_dead_deliveries() -> None:
    quick = {"app": {"type": "recorder", "delivery": {"retry": {"give_up_after": "1m", "initial": "5s"}}}}
    async with running(config(sinks=quick)) as gateway:
        gateway.recorder().answers.append(Refused("never"))
        await gateway.send()
        gateway.recorder().otherwise = Retry("still not")
        await gateway.send()
        await gateway.advance(600)
        assert [row.reason for row in gateway.deliveries(state="dead")] == ["refused", "expired"]


async def test_an_open_circuit_closes_when_the_target_is_back() -> None:
    async with running(CONFIG) as gateway:
        gateway.recorder().answers.append(Unavailable("gone"))
        await gateway.send()
        assert gateway.metric("circuit_open", sink="app") == 1
        await gateway.advance(120)
        assert gateway.metric("circuit_open", sink="app") == 0
        assert len(gateway.delivered()) == 1


async def test_a_batch_goes_out_when_its_window_is_over() -> None:
    batched = {"app": {"type": "recorder", "delivery": {"batch": {"max": 10, "window": "30s"}}}}
    async with running(config(sinks=batched)) as gateway:
        for _ in range(3):
            await gateway.send()
        assert gateway.recorder().batches == []
        await gateway.advance(31)
        assert [len(batch) for batch in gateway.recorder().batches] == [3]
        assert len(gateway.delivered()) == 3


async def test_what_was_accepted_survives_a_restart() -> None:
    async with running(CONFIG) as gateway:
        gateway.recorder().answers.append(Retry("not now"))
        await gateway.send()
        await gateway.restart()
        assert gateway.recorder().seen == []
        await gateway.advance(60)
        assert [delivery.attempt for delivery in gateway.recorder().seen] == [2]


async def test_types_and_hooks_of_the_test_need_no_file(tmp_path: Path) -> None:
    class Pager(Sink):
        type = "pager"

        class Options(Options):
            url: str

        async def deliver(self, delivery: Delivery) -> str:
            answer = await self.http.post(self.options.url, json={"key": delivery.event.id})
            return f"HTTP {answer.status}"

    class Watch:
        def __init__(self) -> None:
            self.stored: list[tuple[str, list[str]]] = []

        @hookimpl
        def event_stored(self, event: Any, sinks: Any) -> None:
            self.stored.append((event.id, list(sinks)))

    watch = Watch()
    async with ScriptedServer(Reply(status=503)) as server:
        sinks = {"pager": {"type": "pager", "url": f"{server.url}/page"}}
        made = config(sinks=sinks, routes=[{"to": ["pager"]}])
        async with running(made, folder=tmp_path, plugins=[Pager, watch]) as gateway:
            await gateway.send()
            assert len(server.received) == 1
            await gateway.advance(30)
            [event] = gateway.delivered("pager")
            assert isinstance(gateway.sink(), Pager)
    assert watch.stored == [(event.id, ["pager"])]
    assert [request.target for request in server.received] == ["/page"] * 2


async def test_a_file_is_run_with_a_store_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(
        f"sources: {{live: {{type: huawei-live, keys: ['${{KEY}}']}}}}\nstore: sqlite:///{tmp_path}/real.db\n"
    )
    file.chmod(0o600)
    async with running(file, environ={"KEY": KEY}) as gateway:
        assert (await gateway.send()).status == 200
    assert not (tmp_path / "real.db").exists()


async def test_a_configuration_that_is_wrong_is_said_as_check_says_it() -> None:
    with pytest.raises(ConfigError, match=r"under-test\.yaml"):
        async with running("sinks: {app: {type: recordr}}"):
            raise AssertionError("it must not run")


async def test_a_name_that_is_not_configured_is_answered_with_those_that_are() -> None:
    async with running(CONFIG) as gateway:
        with pytest.raises(LookupError, match="no sink 'other' is configured; there are: app"):
            gateway.sink("other")
        with pytest.raises(LookupError, match="there are: live"):
            await gateway.send(source="other")


async def test_a_sink_that_never_ends_is_named_when_it_is_waited_for() -> None:
    class Endless(Recorder):
        type = "endless"

        async def deliver(self, delivery: Delivery) -> str | None:
            await asyncio.Event().wait()
            return None

    made = config(sinks={"app": {"type": "endless"}})
    async with running(made, plugins=[Endless], clock=FrozenClock()) as gateway:
        await gateway.send(settle=False)
        with pytest.raises(TimeoutError, match="app"):
            await gateway.settle(within=0.05)


def test_a_header_of_a_callback_is_there_once_however_it_is_spelt() -> None:
    played = Played(body=b"{}", headers={"Content-Type": "application/x", "X-Mark": "1"})
    made = callback(played, headers={"x-mark": "2"})
    assert sorted(made.headers.items()) == [("content-type", "application/x"), ("x-mark", "2")]
