"""Many events in one request of the forward sink: what goes out, and what an answer may say of each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from gateway import Delivery, Refused, Retry, Unavailable, to_document, verify_webhook
from gateway.testing import NOW, Reply, ScriptedServer, delivery, event
from plugins.sinks.forward import ForwardOptions
from plugins.sinks.forward.batches import batch_id
from tests.sinks.test_forward import OLD, SIGN, forwarding

BATCH = "application/cloudevents-batch+json"


def some(count: int, **given: Any) -> list[Delivery]:
    return [delivery(event(number=number, **given), id=number + 1) for number in range(count)]


def answer(results: object, status: int = 200, kind: str = "application/json", **more: Any) -> Reply:
    body = json.dumps({"results": results, **more}).encode()
    return Reply(status=status, body=body, headers=[("Content-Type", kind)])


def entry(one: Delivery, outcome: str = "delivered", **more: Any) -> dict[str, Any]:
    return {"source": f"/sources/{one.event.source}", "id": one.event.ref, "outcome": outcome, **more}


async def test_a_batch_is_one_cloudevents_batch_with_one_signature_over_its_bytes() -> None:
    batch = some(3)
    async with ScriptedServer() as server, forwarding(server.url, sign=SIGN, headers={"X-Mine": "1"}) as sink:
        assert await sink.deliver_batch(batch) == ["HTTP 200"] * 3
        [got] = server.received
    assert json.loads(got.body) == [to_document(one.event) for one in batch]
    assert got.header("content-type") == BATCH
    assert got.header("recording-gateway-events") == "3"
    assert got.header("x-mine") == "1"
    assert verify_webhook(got.body, dict(got.headers), OLD, now=NOW) == batch_id([one.event for one in batch])


async def test_a_sink_that_batches_sends_one_alone_as_a_batch_too_so_that_receivers_need_one_form() -> None:
    [one] = some(1)
    async with ScriptedServer(Reply(), answer([entry(one, "refused", detail="no")])) as server:
        async with forwarding(server.url) as sink:
            sink.batched = True
            assert await sink.deliver(one) == "HTTP 200"
            with pytest.raises(Refused, match="no"):
                await sink.deliver(one)
        assert [json.loads(got.body) for got in server.received] == [[to_document(one.event)]] * 2
        assert server.received[0].header("content-type") == BATCH


def test_the_id_of_a_batch_is_of_its_members_and_of_nothing_else() -> None:
    first, second, third = (event(number=number) for number in range(3))
    assert batch_id([first, second]) == batch_id([second, first]), "their order is chance"
    others = [[first], [second], [first, third], [first, second, third], [first.replace(source="b"), second]]
    ids = {batch_id(members) for members in [[first, second], *others]}
    assert len(ids) == 6
    assert all(id.isascii() and not set(id) & set(". :") for id in ids)


# --- an answer that speaks of each ---------------------------------------------------------------------------------------


async def results(reply: Reply, batch: Sequence[Delivery]) -> list[Any]:
    async with ScriptedServer(reply) as server, forwarding(server.url) as sink:
        return list(await sink.deliver_batch(batch))


async def test_an_answer_lists_what_became_of_each_in_any_order() -> None:
    first, second, third, _ = batch = some(4)
    stranger = {"source": "/sources/live", "id": "elsewhere", "outcome": "refused"}
    listed = [
        entry(third, "retry", retry_after=90, detail="later"),
        stranger,
        entry(second, "refused", detail="old"),
        entry(first),
    ]
    given = await results(answer(listed), batch)
    assert given[0] == "HTTP 200"
    assert isinstance(given[1], Refused)
    assert "old" in given[1].detail
    assert isinstance(given[2], Retry)
    assert (given[2].after, given[2].service, "later" in given[2].detail) == (timedelta(seconds=90), False, True)
    assert isinstance(given[3], Retry), "missing from the list: it is tried again"
    assert "does not name" in given[3].detail


async def test_the_same_id_of_another_source_is_another_event() -> None:
    one = event(number=1)
    batch = [delivery(one, id=1), delivery(one.replace(source="other"), id=2)]
    given = await results(answer([entry(batch[1], "refused"), entry(batch[0])]), batch)
    assert given[0] == "HTTP 200"
    assert isinstance(given[1], Refused)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(), Reply(status=204), Reply(status=207, body=b"{}"),
        Reply(body=b'{"results": []}'),  # no media type of JSON
        Reply(body=b'{"results": []}', headers=[("Content-Type", "text/plain")]),
        Reply(body=b'{"new": true}', headers=[("Content-Type", "application/json")]),
        Reply(body=b"[]", headers=[("Content-Type", "application/json")]),
        Reply(body=b"{", headers=[("Content-Type", "application/json")]),
        Reply(body=b'"x"', headers=[("Content-Type", "application/problem+json")]),
        answer(None), answer({}), answer(7), answer("all"),
    ],
    ids=range(13),
)  # fmt: skip
async def test_without_a_list_a_2xx_is_for_all(reply: Reply) -> None:
    assert await results(reply, some(2)) == [f"HTTP {reply.status}"] * 2


@pytest.mark.parametrize(
    "listed",
    [
        [], [None], [7], ["a"], [[]], [{}], [{"source": 1, "id": 2}], [{"source": "/sources/live"}],
        [{"source": [], "id": {}, "outcome": "delivered"}],
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.acme+json"])
async def test_whoever_a_list_does_not_name_is_tried_again(listed: object, kind: str) -> None:
    given = await results(answer(listed, kind=kind), some(2))
    assert all(isinstance(one, Retry) and not one.service for one in given)


@pytest.mark.parametrize("cut", [b'"outcome"', b'"id"', b"}]}"], ids=["an outcome", "an id", "its end"])
async def test_a_list_that_cannot_be_read_delivers_nobody(cut: bytes) -> None:
    batch = some(2)
    whole = answer([entry(one, "retry") for one in batch])
    for body in (whole.body[: whole.body.index(cut)], b'{"results":' + b"[" * 5000 + b"]" * 5000 + b"}"):
        given = await results(Reply(body=body, headers=whole.headers), batch)
        assert [one.detail.partition(", ")[2] for one in given] == ["but its list cannot be read"] * 2
        assert all(isinstance(one, Retry) for one in given)


@pytest.mark.parametrize("said", [("delivered", "refused"), ("retry", "delivered"), ("refused", "delivered")], ids=str)
async def test_who_is_listed_with_two_outcomes_is_tried_again(said: tuple[str, str]) -> None:
    one, other = some(2)
    given = await results(
        answer([*(entry(one, outcome) for outcome in said), entry(other), entry(other)]), [one, other]
    )
    assert isinstance(given[0], Retry)
    assert "several outcomes" in given[0].detail
    assert given[1] == "HTTP 200", "the same twice is no contradiction"


@pytest.mark.parametrize("outcome", [None, "", "ok", "DELIVERED", 200, True, [], {}])
async def test_an_outcome_that_is_unknown_is_tried_again(outcome: Any) -> None:
    [one] = some(1)
    [given] = await results(answer([entry(one, outcome)]), [one])
    assert isinstance(given, Retry)


@pytest.mark.parametrize("after", [None, "5", -1, True, 1e300, [], 10**400])
async def test_a_wait_that_is_none_is_no_wait(after: Any) -> None:
    [one] = some(1)
    [given] = await results(answer([entry(one, "retry", retry_after=after)]), [one])
    assert isinstance(given, Retry)
    assert given.after is None


async def test_a_list_for_a_thousand_events_is_read_whole() -> None:
    batch = some(1000)
    given = await results(answer([entry(one, detail="x" * 200) for one in batch]), batch)
    assert given == ["HTTP 200"] * 1000


async def test_a_list_that_is_too_long_to_read_delivers_nobody() -> None:
    [one] = some(1)
    [given] = await results(answer([entry(one)], padding="x" * 200_000), [one])
    assert isinstance(given, Retry)
    assert "longer than is read" in given.detail


# --- what fails ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"), [(503, Retry), (429, Retry), (401, Unavailable), (404, Retry), (400, Refused)]
)
async def test_a_status_that_is_no_2xx_is_for_all(status: int, kind: type[Exception]) -> None:
    batch = some(3)
    given = await results(answer([entry(one) for one in batch], status), batch)
    assert {type(one) for one in given} == {kind}
    assert len({id(one) for one in given}) == 1, "one object: the core knows that they failed together"


# --- bytes ---------------------------------------------------------------------------------------------------------------


async def test_no_request_is_over_the_limit_unless_one_event_alone_is() -> None:
    batch = [*some(9), delivery(event(number=10, extra={"a": "x" * 5000}), id=11), *some(3, stream="s")]
    async with ScriptedServer() as server, forwarding(server.url, batch_bytes=4096) as sink:
        assert await sink.deliver_batch(batch) == ["HTTP 200"] * 13
        bodies = [got.body for got in server.received]
    assert [one for body in bodies for one in json.loads(body)] == [to_document(one.event) for one in batch]
    assert [len(json.loads(body)) for body in bodies if len(body) > 4096] == [1]
    assert len(bodies) < 13
    assert len({got.header("webhook-id") for got in server.received}) == len(bodies)


async def test_after_a_request_that_meets_trouble_the_rest_is_not_sent() -> None:
    batch = some(9)
    async with ScriptedServer(Reply(), otherwise=Reply(status=503)) as server:
        async with forwarding(server.url, batch_bytes=4096) as sink:
            given = list(await sink.deliver_batch(batch))
        assert len(server.received) == 2
        first = len(json.loads(server.received[0].body))
    assert given[:first] == ["HTTP 200"] * first
    assert all(isinstance(one, Retry) for one in given[first:])
    assert "not sent" in str(given[-1])


async def test_replays_go_in_a_request_of_their_own() -> None:
    batch = [one.replace(replay=one.id in (2, 3)) for one in some(4)]
    async with ScriptedServer() as server, forwarding(server.url) as sink:
        await sink.deliver_batch(batch)
        assert [(len(json.loads(got.body)), got.header("webhook-replay")) for got in server.received] == [
            (1, None), (2, "true"), (1, None),
        ]  # fmt: skip


@pytest.mark.parametrize("given", ["1023", "65MiB", "0"])
def test_the_limit_of_bytes_is_bounded(given: str) -> None:
    with pytest.raises(ValueError, match="batch_bytes"):
        ForwardOptions.model_validate({"url": "http://x/", "batch_bytes": given})
