"""What a sink says follows on a delivery is an event: stored with the outcome, routed by name, once, and never at its cost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from gateway import Done, File, FollowUp
from gateway.model import (
    CAUSES_MAX,
    RECORDING_ARCHIVED,
    RECORDING_CONFIRMED,
    RECORDING_MISSING,
    Cause,
    Delivery,
    Event,
    Measured,
    Trust,
    Verified,
)
from gateway.testing.factories import NOW
from tests.dispatch.conftest import Batching, Build, Scripted, event
from tests.dispatch.follow_up_kit import COPY, returning, routes, settled
from tests.patience import eventually


async def test_a_follow_up_is_stored_with_the_outcome_and_goes_to_the_routes_that_name_it(build: Build) -> None:
    app, chat = Scripted("app", returning(Done("copied", [COPY]))), Scripted("chat")
    house = await build(app, chat, decide=routes(copies={"type": ["recording.archived"], "to": ["chat"]}))
    cause = event(1).replace(
        trust=Trust.FIELDS, verified=Verified(Trust.FIELDS, "hmac", 1), job_id="j", task_id="t", format="hls"
    )
    await house.put(cause, to=["app"])
    await settled(house, deliveries=2)
    [follow_up] = [delivery.event for delivery in chat.seen]
    kept = ("source", "provider", "trust", "domain", "app", "stream", "job_id", "task_id", "format")
    assert [getattr(follow_up, name) for name in kept] == [getattr(cause, name) for name in kept]
    assert follow_up.verified == Verified(Trust.FIELDS, "hmac", 1)
    assert (follow_up.type, follow_up.cause, follow_up.depth) == (RECORDING_ARCHIVED, Cause(cause.id, "app"), 1)
    assert follow_up.files == COPY.files
    assert follow_up.received_at == house.clock.now()
    assert house.events("id, cause") == [(cause.id, None), (follow_up.id, cause.id)]
    assert house.attempts("detail") == ["copied", ""]
    assert house.followed == [follow_up]
    assert house.value("follow_ups_total", sink="app", result="stored") == 1


@pytest.mark.parametrize(
    ("globs", "named"),
    [
        ([], False), (["*"], False), (["**"], False), (["recording.file.*"], False), (["gateway.*"], False),
        (["recording.archived"], True), (["recording.*"], True), (["*archived"], True), (["*", "recording.arch*"], True),
    ],
    ids=str,
)  # fmt: skip
async def test_only_a_route_that_names_its_type_gets_it(build: Build, globs: Sequence[str], named: bool) -> None:
    app, chat = Scripted("app", returning(Done(None, [COPY]))), Scripted("chat")
    one = {"type": globs, "to": ["chat"]} if globs else ["chat"]
    house = await build(app, chat, decide=routes(one=one))
    await house.put(event(1), to=["app"])
    await settled(house, deliveries=1 + named)
    assert len(chat.seen) == named
    assert len(house.events()) == 2  # kept also where nobody wants it: a route for it may come


async def test_it_never_goes_to_the_sink_it_came_of_nor_to_one_among_its_causes(build: Build) -> None:
    """Three sinks that each answer with a follow-up, and a route that sends everything to all of them."""
    sinks = [Scripted(name, returning(Done(None, [COPY]))) for name in ("a", "b", "c")]
    house = await build(*sinks, decide=routes(all={"type": ["recording.*"], "to": ["a", "b", "c"]}))
    await house.put(event(1), to=["a"])
    await settled(house, deliveries=5)  # a; b and c after a; c after b, b after c
    ways = {(one.cause.sink, *one.cause.earlier) for one in house.followed if one.cause}
    assert ways == {("a",), ("b", "a"), ("c", "a"), ("c", "b", "a"), ("b", "c", "a")}
    assert [len(sink.seen) for sink in sinks] == [1, 2, 2]


async def test_no_more_than_four_stand_one_behind_the_other(build: Build) -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    sinks = [Scripted(name, returning(Done("ok", [COPY]))) for name in names]

    def decide(one: Event) -> Any:
        return routes(next={"type": ["recording.*"], "to": [names[one.depth]]})(one)

    house = await build(*sinks, decide=decide)
    with capture_logs() as logs:
        await house.put(event(1), to=["a"])
        await settled(house, deliveries=1 + CAUSES_MAX)
    assert [one.depth for one in house.followed] == [1, 2, 3, 4]
    assert house.attempts("detail")[-1] == (
        "ok; follow-ups not stored: recording.archived: 4 causes stand before it already, and no more than 4 may"
    )
    assert [line["sink"] for line in logs if line["event"] == "follow_ups_refused"] == ["e"]


async def test_the_same_delivery_again_makes_no_second_one(build: Build) -> None:
    """After a replay, whatever the follow-up says by then; another identity is another event."""
    answers = iter(["a", "b", "b"])
    sizes = iter([1, 2, 3])

    async def script(delivery: Delivery) -> Any:
        return Done(None, [FollowUp(RECORDING_ARCHIVED, (File(size_bytes=next(sizes)),), identity=[next(answers)])])

    house = await build(Scripted("app", script))
    await house.put(event(1), to=["app"])
    await settled(house, deliveries=1)
    for _ in range(2):
        house.write("UPDATE deliveries SET state = 'waiting', rank = 1, due_at = 0, attempts = 0")
        await house.later(2.0)
        await settled(house, deliveries=1)
    assert len(house.events()) == 3  # its cause, the one called a, the one called b
    assert house.value("follow_ups_total", sink="app", result="duplicate") == 1
    assert house.events("held") == [None] * 3


async def test_where_the_lease_was_lost_nothing_follows(build: Build) -> None:
    """Somebody cancelled it meanwhile: its word comes too late, and so do its events."""
    gone = asyncio.Event()

    async def script(delivery: Delivery) -> Any:
        await gone.wait()
        return Done("late", [COPY])

    house = await build(Scripted("app", script))
    await house.put(event(1), to=["app"])
    await house.calm()
    house.write("UPDATE deliveries SET token = token + 1, state = 'dead', rank = 1, reason = 'cancelled'")
    gone.set()
    await eventually(lambda: house.counted("app", "lost") == 1)
    assert len(house.events()) == 1
    assert house.followed == []
    assert house.rows("state, reason") == [("dead", "cancelled")]


async def test_each_of_a_batch_says_its_own(build: Build) -> None:
    sink = Batching("app")

    async def together(deliveries: Sequence[Delivery]) -> Sequence[Any]:
        return [Done("first", [COPY]), "second", Done(None), Done("fourth", [FollowUp(RECORDING_CONFIRMED)])]

    sink.together = together
    house = await build(sink, delivery={"batch": {"max": 4, "window": "1s"}})
    await house.put(*[event(number) for number in range(1, 5)], reserve=False)
    house.dispatcher.wake("app")
    await house.later(2.0)
    await settled(house, deliveries=4)
    assert house.attempts("detail") == ["first", "second", "", "fourth"]
    assert [(one.type, one.cause and one.cause.id) for one in house.followed] == [
        (RECORDING_ARCHIVED, event(1).id),
        (RECORDING_CONFIRMED, event(4).id),
    ]


async def test_the_limit_of_what_may_wait_does_not_hold_it_up(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    house = await build(Scripted("app", returning(Done(None, [COPY]))))
    await house.put(event(1), to=["app"], reserve=False)
    full = replace(house.store._limits._keep, waiting=0)
    monkeypatch.setattr(house.store._limits, "_keep", full)
    assert house.store.full()
    house.dispatcher.wake("app")
    await settled(house, deliveries=1)
    assert len(house.events()) == 2


@pytest.mark.plain_rows
async def test_what_it_says_by_the_names_of_data_stands_there_and_the_rest_in_extra_without_credentials(
    build: Build,
) -> None:
    look = Measured(at=NOW, by="app", size_bytes=5)
    said = {
        "error": {"code": "gone", "message": "404"}, "format": "mp4", "vendor_type": "COPY", "time": "2026-01-01T00:00:00Z",
        "problems": ["size"], "extra": {"a": 1}, "seconds": 3, "access_token": "canary",
    }  # fmt: skip
    house = await build(
        Scripted("app", returning(Done(None, [FollowUp(RECORDING_MISSING, [File(measured=look)], said)])))
    )
    await house.put(event(1), to=["app"])
    await settled(house, deliveries=1)
    document = json.loads(house.events("body")[1])
    data = document["data"]
    assert data["error"] == {"code": "gone", "message": "404"}
    assert (data["format"], data["vendor_type"], document["time"]) == ("mp4", "COPY", "2026-01-01T00:00:00Z")
    assert data["extra"] == {"a": 1, "seconds": 3}
    assert data["problems"] == ["size", "access_token"]
    assert data["files"][0]["measured"]["size_bytes"] == 5
    assert "canary" not in json.dumps(document)


async def test_nothing_follows_on_an_alarm(build: Build) -> None:
    from gateway.events.samples import sample

    house = await build(Scripted("app", returning(Done(None, [COPY]))))
    await house.put(sample("gateway.store.limit"), to=["app"])
    await settled(house, deliveries=1)
    assert "nothing follows on an alarm" in house.attempts("detail")[0]
