"""Batches: one digest where it fits, each delivery with an outcome of its own, and bursts through the real dispatcher."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gateway import RECORDING_FAILED, Delivery, Refused, Retry, Unavailable
from gateway.testing import FrozenClock, Reply, ScriptedServer, delivery, event
from plugins.sinks.chat.chat_service import service
from plugins.sinks.chat.digest import MessageAllowance
from tests.sinks.chat.many import shown

from .conftest import ALL, YES, answer, chatting, within


def many(count: int, streams: int = 7, **changes: Any) -> list[Delivery]:
    return [
        delivery(event(number=number, stream=f"s{number % streams}-{number:04}", **changes), id=number + 1)
        for number in range(count)
    ]


@pytest.mark.parametrize("name", ALL)
async def test_a_batch_is_one_message_and_each_delivery_has_its_receipt(name: str) -> None:
    async with ScriptedServer(otherwise=YES[name]) as server, chatting(name, server.url) as sink:
        results = await sink.deliver_batch(many(20))
        [got] = server.received
    assert all(isinstance(result, str) for result in results)
    assert len(results) == 20
    within(name, got.body)
    assert "20" in shown(got.body)


@pytest.mark.parametrize("name", ALL)
async def test_what_is_raised_is_the_outcome_of_each(name: str) -> None:
    for status, kind in ((503, Retry), (401, Unavailable)):
        async with ScriptedServer(Reply(status=status)) as server, chatting(name, server.url) as sink:
            results = await sink.deliver_batch(many(3))
            assert [type(result) for result in results] == [kind] * 3
            assert len(server.received) == 1


@pytest.mark.parametrize("name", ALL)
async def test_a_batch_that_is_refused_is_refused_as_a_whole_so_that_each_goes_for_itself(name: str) -> None:
    async with ScriptedServer(Reply(status=400)) as server, chatting(name, server.url) as sink:
        with pytest.raises(Refused):
            await sink.deliver_batch(many(3))


async def test_a_batch_keeps_the_order_in_which_events_were_taken_in() -> None:
    async with ScriptedServer(otherwise=YES["slack"]) as server, chatting("slack", server.url) as sink:
        deliveries = many(12)
        await sink.deliver_batch(deliveries[::-1])
        [got] = server.received
    named = re.findall(r"s\d-(\d{4})", shown(got.body))
    assert named == sorted(named)


async def test_results_are_in_the_order_of_the_deliveries_that_were_given() -> None:
    async with (
        ScriptedServer(answer({"errcode": 0}), answer({"errcode": -1})) as server,
        chatting("wecom", server.url) as sink,
    ):
        results = await sink.deliver_batch(many(100)[::-1])
    assert isinstance(results[-1], str)  # the first taken in went with the first message
    assert isinstance(results[0], Retry)


async def test_a_batch_that_is_too_much_for_one_message_is_split_as_fast_as_allowed_and_the_rest_comes_again() -> None:
    clock = FrozenClock()
    async with ScriptedServer(otherwise=YES["wecom"]) as server, chatting("wecom", server.url, clock) as sink:
        results = await sink.deliver_batch(many(400))
        sent = len(server.received)
        later = [result for result in results if isinstance(result, Retry)]
        assert 1 < sent <= 5  # a quarter of twenty a minute; the rate of the sink takes the rest
        assert later
        assert all(one.after is not None and one.after.total_seconds() <= 60 for one in later)
        assert all("no room" in one.detail for one in later)
        for got in server.received:
            within("wecom", got.body)
        named = [stream for got in server.received for stream in re.findall(r"s\d-\d{4}", shown(got.body))]
        delivered = [
            one.event.stream for one, result in zip(many(400), results, strict=True) if isinstance(result, str)
        ]
        assert named == delivered


async def test_where_not_all_fit_the_streams_of_failed_recordings_come_first() -> None:
    deliveries = many(400)
    bad = deliveries[399]
    deliveries[399] = delivery(event(RECORDING_FAILED, number=399, stream=bad.event.stream), id=400)
    earlier = delivery(event(number=1000, stream=bad.event.stream), id=398)
    deliveries[397] = earlier
    async with ScriptedServer(otherwise=YES["wecom"]) as server, chatting("wecom", server.url) as sink:
        results = await sink.deliver_batch(deliveries)
        first = shown(server.received[0].body)
    assert isinstance(results[399], str)
    assert first.rindex("❌") > first.index(str(bad.event.stream))
    assert len(re.findall(str(bad.event.stream), first)) == 2


async def test_after_a_failure_nothing_more_of_the_batch_is_sent() -> None:
    async with (
        ScriptedServer(YES["wecom"], Reply(status=503), otherwise=YES["wecom"]) as server,
        chatting("wecom", server.url) as sink,
    ):
        results = await sink.deliver_batch(many(400))
        assert len(server.received) == 2
    kinds = [type(result) for result in results]
    assert kinds == sorted(kinds, key=lambda kind: kind is not str)
    assert set(kinds) == {str, Retry}


async def test_a_later_part_that_is_refused_does_not_take_back_the_first() -> None:
    async with (
        ScriptedServer(YES["wecom"], answer({"errcode": 40058}), otherwise=YES["wecom"]) as server,
        chatting("wecom", server.url) as sink,
    ):
        results = await sink.deliver_batch(many(400))
        assert len(server.received) == 2
    assert {type(result) for result in results} == {str, Retry}
    assert "refused together" in str(results[60])
    assert "an earlier message" in str(results[-1])


async def test_one_that_goes_for_itself_and_is_refused_takes_nobody_with_it() -> None:
    replies = [answer({"errcode": 40058}), YES["wecom"], Reply(status=503)]
    async with ScriptedServer(*replies) as server, chatting("wecom", server.url) as sink:
        small = type("Small", (type(service("wecom")),), {"text_most": 30})()
        sink.__dict__["_service"] = small
        results = await sink.deliver_batch(many(4))
        assert len(server.received) == 3
    assert [type(result) for result in results] == [Refused, str, Retry, Retry]


async def test_what_one_of_a_batch_was_told_holds_for_its_message() -> None:
    memo = {"chat_id": -100777}
    async with ScriptedServer(otherwise=YES["telegram"]) as server, chatting("telegram", server.url) as sink:
        await sink.deliver_batch([*many(2), delivery(event(number=9), id=9, memo=memo)])
        assert json.loads(server.received[0].body)["chat_id"] == -100777


async def test_the_worst_of_a_batch_gives_its_colour_and_people_are_mentioned_once() -> None:
    batch = [*many(2), delivery(event(RECORDING_FAILED, number=5), id=9)]
    async with (
        ScriptedServer(otherwise=YES["slack"]) as server,
        chatting("slack", server.url, mention="here", keyword="kw") as sink,
    ):
        await sink.deliver_batch(batch)
        body = json.loads(server.received[0].body)
    assert body["attachments"][0]["color"] == "#e01e5a"
    assert json.dumps(body).count("<!here>") == 1
    assert "[kw]" in body["text"]


def test_an_allowance_leaves_three_quarters_to_the_rate() -> None:
    allowance = MessageAllowance([(20, 60)])
    assert allowance.wait(0.0) == 0
    for at in range(5):
        assert allowance.wait(float(at)) == 0
        allowance.spend(float(at))
    assert allowance.wait(4.0) == 56.0
    assert allowance.wait(60.0) == 0
    allowance.spend(60.0)
    assert MessageAllowance([(1, 1)]).wait(0.0) == 0
    strict = MessageAllowance([(1, 1), (20, 60)])
    strict.spend(0.0)
    assert strict.wait(0.5) == 0.5
    assert strict.wait(1.0) == 0
