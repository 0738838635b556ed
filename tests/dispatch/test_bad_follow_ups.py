"""A follow-up that cannot be one costs only itself: what was delivered stays delivered, and the outcome is written."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway import Done, File, FollowUp
from gateway.errors import ItemRefused
from gateway.model import FILE_COMPLETED, RECORDING_ARCHIVED, RECORDING_MISSING, Event
from tests.dispatch.conftest import Build, Scripted, event
from tests.dispatch.follow_up_kit import COPY, returning, settled


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Unspeakable(dict[str, Any]):
    """What a plugin may hand over: asking it what it holds fails, and so does asking why."""

    def __iter__(self) -> Any:
        raise UnspeakableError


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("text", "events is no list of follow-ups: it is str"),
        (7, "events is no list of follow-ups: 'int' object is not iterable"),
        ([None], "follow-up: expected a gateway.FollowUp, not a NoneType"),
        (
            [FollowUp("recording.archive")],
            "there is no event type 'recording.archive'; did you mean 'recording.archived'?",
        ),
        ([FollowUp("gateway.sink.down")], "there is no event type 'gateway.sink.down'"),
        ([FollowUp(RECORDING_ARCHIVED, ("x",))], "files[0] is a str, not a gateway.File"),  # type: ignore[arg-type]
        ([FollowUp(RECORDING_ARCHIVED, (File(size_bytes="7"),))], "files[0].size_bytes is a str, not a whole number"),  # type: ignore[arg-type]
        (
            [FollowUp(RECORDING_ARCHIVED, data={"trust": "body"})],
            "data may not say 'trust': it is that of the event it follows on",
        ),
        ([FollowUp(RECORDING_ARCHIVED, data={"files": []})], "data may not say 'files': it is given by itself"),
        ([FollowUp(RECORDING_ARCHIVED, data={"time": "yesterday"})], "`time` is an RFC 3339 time"),
        ([FollowUp(RECORDING_ARCHIVED, data={"x": float("nan")})], "recording.archived: Out of range float values"),
        ([FollowUp(RECORDING_ARCHIVED, data={"x": object()})], "recording.archived: Object of type object is not JSON"),
        ([FollowUp(RECORDING_ARCHIVED, data=[1])], "data is a list, not a mapping"),  # type: ignore[arg-type]
        ([FollowUp(RECORDING_ARCHIVED, data={7: "x"})], "data has the key 7, which is no text"),  # type: ignore[dict-item]
        ([FollowUp(RECORDING_ARCHIVED, data={"extra": ["x"]})], "data.extra is a list, not a mapping"),
        ([FollowUp(RECORDING_ARCHIVED, identity=[object()])], "recording.archived: "),
        ([FollowUp(RECORDING_ARCHIVED, data=Unspeakable())], "recording.archived: UnspeakableError"),
        ([FollowUp(RECORDING_ARCHIVED, data={"x": ["y" * 60_000] * 5})], "bytes of JSON, more than 262144"),
        ([COPY] * 65, "65 follow-ups, of which 64 are kept"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_bad_follow_up_never_undoes_what_was_delivered(build: Build, made: Any, said: str) -> None:
    house = await build(Scripted("app", returning(Done("went out", made))))
    with capture_logs() as logs:
        await house.put(event(1), to=["app"])
        await settled(house, deliveries=1)
    [(outcome, detail)] = house.attempts("outcome, detail")
    assert outcome == "delivered"
    assert detail.startswith("went out; follow-ups not stored: ")
    assert said in detail
    assert (house.value("follow_ups_total", sink="app", result="refused") or 0) >= 1
    assert [line["log_level"] for line in logs if line["event"] == "follow_ups_refused"] == ["error"]
    assert house.counted("app", "delivered") == 1


async def test_a_bad_one_among_several_costs_only_itself(build: Build) -> None:
    house = await build(
        Scripted("app", returning(Done(None, [FollowUp("nothing"), COPY, FollowUp(RECORDING_MISSING)])))
    )
    await house.put(event(1), to=["app"])
    await settled(house, deliveries=1)
    assert house.events("type") == [FILE_COMPLETED, RECORDING_ARCHIVED, RECORDING_MISSING]
    assert "nothing: there is no event type" in house.attempts("detail")[0]


async def test_routes_that_fail_cost_the_follow_up_and_nothing_else(build: Build) -> None:
    def decide(one: Event) -> Any:
        raise RuntimeError("a bug of ours")

    house = await build(Scripted("app", returning(Done("ok", [COPY]))), decide=decide)
    await house.put(event(1), to=["app"])
    await settled(house, deliveries=1)
    assert house.attempts("detail") == ["ok; follow-ups not stored: recording.archived: a bug of ours"]


async def test_what_the_database_refuses_is_left_out_and_the_outcome_is_written(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await build(Scripted("app", returning(Done("ok", [COPY]))))

    def refuse(*_: Any) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_exception(ItemRefused("no"))
        return future

    monkeypatch.setattr(house.store, "settle_with", refuse)
    await house.put(event(1), to=["app"])
    await settled(house, deliveries=1)
    assert house.attempts("detail") == ["ok; its follow-ups are not stored: the database refuses them"]
    assert len(house.events()) == 1
