"""What holds for every sink holds for those of brokers, and what holds for every broker for each of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import pytest

from gateway import Sink, to_document
from gateway.runtime.traces import Underway, current
from gateway.testing import SinkPromises, cases, delivery, event, events, opened
from gateway.text.trace_context import TraceContext
from tests.sinks.streams.brokers import BROKERS, Broker

SECRET = "canary-password-0123456789"


class Promises(SinkPromises):
    """One kind's; nothing is sent, so no broker is needed."""

    kind = ""

    def options(self, url: str) -> Mapping[str, Any]:
        return BROKERS[self.kind]().options(9, username="gateway", password=SECRET)


for _kind, _broker in BROKERS.items():
    _name = f"Test{_kind.capitalize()}KeepsThePromises"
    globals()[_name] = type(_name, (Promises,), {"kind": _kind, "sink": _broker.sink})
del Promises, SinkPromises  # they are not tests themselves


async def test_every_event_arrives_as_it_is_and_says_beside_it_what_it_is(broker: Broker) -> None:
    async with opened(broker.sink, broker.options()) as sink:
        for one in events():
            assert await sink.deliver(delivery(one))
    arrived = await broker.read()
    assert [json.loads(got.body) for got in arrived] == [to_document(one) for one in events()]
    for got, one in zip(arrived, events(), strict=True):
        assert got.headers[broker.spec_type] == "application/cloudevents+json"
        assert got.headers["recording-gateway-id"] == one.ref
        assert got.headers["recording-gateway-trust"] == one.trust.value
        assert got.headers["recording-gateway-type"] == one.type
        assert "recording-gateway-replay" not in got.headers


async def test_the_binary_mode_has_the_attributes_under_the_names_of_the_binding(broker: Broker) -> None:
    sent = event(stream='房间 "1"%41')
    async with opened(broker.sink, broker.options(body="binary")) as sink:
        await sink.deliver(delivery(sent))
    [got] = await broker.read()
    document = to_document(sent)
    assert json.loads(got.body) == document.pop("data")
    assert got.headers[broker.spec_type] == document.pop("datacontenttype")
    told = {name: broker.decoded(got.headers[f"{broker.prefix}{name}"]) for name in document}
    assert told == document


async def test_a_batch_is_one_message_and_one_result_an_event(broker: Broker) -> None:
    members = [delivery(event(number=number), id=number) for number in range(1, 41)]
    async with opened(broker.sink, broker.options()) as sink:
        results = await sink.deliver_batch(members)
        assert all(isinstance(result, str) for result in results), results
    arrived = [got.headers["recording-gateway-id"] for got in await broker.read()]
    assert sorted(arrived) == sorted(one.event.ref for one in members)


async def test_names_of_strangers_stay_in_their_place(broker: Broker) -> None:
    """No header, topic or field is broken by them, and none is lost."""
    names = [str(case.value) for case in cases("stream")]
    async with opened(broker.sink, broker.options(body="binary")) as sink:
        for number, name in enumerate(names):
            await sink.deliver(delivery(event(number=number, stream=name, app=name)))
    arrived = await broker.read()
    assert sorted(json.loads(got.body)["stream"] for got in arrived) == sorted(names)
    assert len({frozenset(got.headers) for got in arrived}) == 1


async def test_the_trace_goes_on_with_the_message(broker: Broker) -> None:
    trace = TraceContext("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", 1, "vendor=x")
    token = current.set(Underway(trace))
    try:
        async with opened(broker.sink, broker.options()) as sink:
            await sink.deliver(delivery(event()))
    finally:
        current.reset(token)
    [got] = await broker.read()
    assert got.headers["traceparent"] == trace.traceparent
    assert broker.decoded(got.headers["tracestate"]) == "vendor=x"


async def test_a_replay_says_that_it_is_one_and_arrives_again(broker: Broker) -> None:
    more: dict[str, Any] = {"deduplicate": "1h"} if "deduplicate" in broker.sink.Options.model_fields else {}
    async with opened(broker.sink, broker.options(**more)) as sink:
        await sink.deliver(delivery(event()))
        for _ in range(2):
            await sink.deliver(delivery(event(), id=7, replay=True))
    arrived = await broker.read()
    assert len(arrived) == (2 if broker.knows_repeats else 3)
    assert [got.headers.get("recording-gateway-replay") for got in arrived][:2] == [None, "true"]


@pytest.mark.parametrize("kind", BROKERS)
async def test_a_preview_shows_the_message_and_asks_nobody(kind: str) -> None:
    broker = BROKERS[kind]()
    options = broker.sink.Options.model_validate(broker.options(9, body="binary"))
    sink: Sink = broker.sink("mine", options, http=None, log=None)  # type: ignore[arg-type]
    shown = await sink.preview(delivery(event(stream="a\x1b[2Jb")))
    assert shown is not None
    assert "recording-gateway-id" in shown
    assert ("recording-gateway-key" in shown, "recording-gateway-supersedes" in shown) == (True, False)
    nameless = await sink.preview(delivery(event(domain=None, app=None, stream=None, supersedes="0a1b~2c3d4e5f")))
    assert "recording-gateway-key" not in str(nameless)
    assert "recording-gateway-supersedes: 0a1b~2c3d4e5f" in unquote(str(nameless))
    assert "127.0.0.1:9" in shown
    assert "\x1b" not in shown
