"""One trace from the callback to every attempt: over retries, a restart and a second gateway, as a real collector gets it."""

from __future__ import annotations

import json
from typing import Any

from gateway.admin.store_opener import store_admin
from gateway.plugin import Played, Scene
from gateway.store.admin.audit import Actor
from gateway.testing import Reply, RunningGateway, ScriptedServer, running
from tests.traces.collector import Collector

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
INBOUND = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=abc,other=1"}
KEY = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SECRET_PATH = "hush-hush-path"


def _config(url: str, **delivery: Any) -> dict[str, Any]:
    """A source that signs, and a forward to `url`."""
    return {
        "sources": {"live": {"type": "standard-webhooks", "secrets": [KEY]}},
        "sinks": {
            "app": {
                "type": "forward",
                "url": f"{url}/{SECRET_PATH}?token=hush-hush-query",
                "sign": {"scheme": "standard-webhooks", "secrets": [KEY]},
                "delivery": delivery,
            }
        },
        "routes": [{"name": "all", "to": "app"}],
    }


def _played(gateway: RunningGateway) -> Played:
    source = gateway.source()
    return source.play(Scene(type=source.scenes[0], number=1000, now=gateway.clock.now()))


async def test_a_callback_and_every_attempt_are_one_trace_also_over_a_restart(spans: Collector) -> None:
    async with ScriptedServer(Reply(status=500, body=b"hush-hush-answer")) as server:
        async with running(_config(server.url, timeout="5s")) as gateway:
            assert (await gateway.send(settle=True)).status == 200
            await gateway.restart()
            await gateway.advance(600)
            assert [row.state for row in gateway.deliveries()] == ["delivered"]
        [callback] = spans.wait("POST", 1)
        failed, delivered = spans.wait("deliver app", 2)
    assert callback["parent"] == ""
    assert {failed["trace"], delivered["trace"]} == {callback["trace"]}
    assert {failed["parent"], delivered["parent"]} == {callback["id"]}
    assert (failed["error"], delivered["error"]) == (True, False)
    assert failed["attributes"]["recording_gateway.outcome"] == "retry"
    assert failed["attributes"]["http.response.status_code"] == 500
    assert failed["attributes"]["error.type"] == "500"
    assert delivered["attributes"]["recording_gateway.attempt"] == 2
    assert delivered["attributes"]["recording_gateway.outcome"] == "delivered"
    carried = [request.header("traceparent") for request in server.received]
    assert [text[:53] for text in carried if text] == [f"00-{one['trace']}-{one['id']}-" for one in (failed, delivered)]
    assert "hush" not in json.dumps(spans.spans)


async def test_an_inbound_trace_continues_through_the_gateway(spans: Collector) -> None:
    async with ScriptedServer() as server, running(_config(server.url)) as gateway:
        played = _played(gateway)
        await gateway.post(played, headers=INBOUND)
        [callback] = spans.wait("POST", 1)
        [attempt] = spans.wait("deliver app", 1)
    assert (callback["trace"], callback["parent"]) == (TRACE, PARENT)
    assert (attempt["trace"], attempt["parent"]) == (TRACE, callback["id"])
    [request] = server.received
    assert request.header("traceparent") == f"00-{TRACE}-{attempt['id']}-01"
    assert request.header("tracestate") == "vendor=abc,other=1"


async def test_a_trace_that_its_sender_does_not_record_is_continued_and_not_exported(spans: Collector) -> None:
    async with ScriptedServer() as server, running(_config(server.url)) as gateway:
        await gateway.post(_played(gateway), headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
        await gateway.send()  # of its own, so that it can be known that nothing else came before
        spans.wait("deliver app", 1)
    quiet, _ = (request.header("traceparent") for request in server.received)
    assert quiet is not None
    assert quiet.startswith(f"00-{TRACE}-")
    assert quiet.endswith("-00")
    assert TRACE not in {span["trace"] for span in spans.spans}


async def test_a_forward_between_two_gateways_is_one_trace(spans: Collector) -> None:
    second_config = _config("http://127.0.0.1:9")
    second_config["sinks"] = {"end": {"type": "recorder"}}
    second_config["routes"] = [{"name": "all", "to": "end"}]
    async with ScriptedServer() as wire, running(_config(wire.url)) as first, running(second_config) as second:
        await first.send()
        [request] = wire.received
        assert (await second.post(request.body, headers=dict(request.headers))).status == 200
        [into_first, into_second] = spans.wait("POST", 2)
        [onward] = spans.wait("deliver app", 1)
        [end] = spans.wait("deliver end", 1)
    assert {span["trace"] for span in (onward, into_second, end)} == {into_first["trace"]}
    assert [span["parent"] for span in (into_first, onward, into_second, end)] == [
        "",
        into_first["id"],
        onward["id"],
        into_second["id"],
    ]


async def test_a_batch_is_a_span_that_links_to_its_members_which_keep_their_own_traces(spans: Collector) -> None:
    config = _config("http://127.0.0.1:9", batch={"max": 3, "window": "10s"})
    async with ScriptedServer() as server:
        config["sinks"]["app"]["url"] = server.url
        async with running(config) as gateway:
            for _ in range(3):
                await gateway.send()
            await gateway.advance(30)
        callbacks = spans.wait("POST", 3)
        [batch] = spans.wait("deliver batch app", 1)
        attempts = spans.wait("deliver app", 3)
    assert set(batch["links"]) == {(callback["trace"], callback["id"]) for callback in callbacks}
    assert batch["attributes"]["messaging.batch.message_count"] == 3
    assert batch["attributes"]["http.response.status_code"] == 200
    assert {attempt["parent"] for attempt in attempts} == {callback["id"] for callback in callbacks}
    assert {tuple(attempt["links"]) for attempt in attempts} == {((batch["trace"], batch["id"]),)}
    [request] = server.received
    carried = request.header("traceparent")
    assert carried is not None
    assert carried.startswith(f"00-{batch['trace']}-{batch['id']}-")


async def test_a_replay_stands_in_the_trace_of_its_callback(spans: Collector) -> None:
    async with ScriptedServer() as server, running(_config(server.url)) as gateway:
        posted = await gateway.send()
        with store_admin(gateway.gateway.settings, clock=gateway.clock) as admin:
            admin.replay(posted.events[0], sinks=["app"], actor=Actor("ops", "test"))
        await gateway.advance(5)
        [callback] = spans.wait("POST", 1)
        first, again = spans.wait("deliver app", 2)
    assert {first["parent"], again["parent"]} == {callback["id"]}
    assert again["attributes"]["recording_gateway.replay"] is True
