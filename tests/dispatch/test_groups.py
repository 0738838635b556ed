"""`delivery.batch` with `group_by` through a whole lane: a call is of one group, and each group has a window of its own."""

from __future__ import annotations

from typing import Any

from gateway.errors import Retry
from gateway.model import RECORDING_FAILED
from tests.dispatch.conftest import Batching, Build, event, raising
from tests.patience import eventually

GROUPED: dict[str, Any] = {"batch": {"max": 5, "window": "30s", "group_by": ["app", "stream"]}}


def streams(sink: Batching) -> list[list[str | None]]:
    """The streams of each call."""
    seen = {delivery.event.id: delivery.event.stream for delivery in sink.seen}
    return [[seen[id] for id in batch] for batch in sink.batches]


async def test_a_call_is_of_one_group_and_each_has_its_window(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery=GROUPED)
    await house.put(event(1, stream="a"))
    await house.later(10)
    await house.put(event(2, stream="b"), event(3, stream="a"), event(4, stream="b"))
    await house.later(18)
    assert sink.batches == []
    await house.later(4)
    await eventually(lambda: streams(sink) == [["a", "a"]])
    await house.later(10)
    await eventually(lambda: streams(sink) == [["a", "a"], ["b", "b"]])
    await eventually(lambda: house.rows() == ["delivered"] * 4)


async def test_a_large_group_goes_in_calls_of_the_most(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery=GROUPED)
    for number in range(12):
        await house.put(event(number, stream="a"))
    await house.put(event(20, stream="b"))
    await house.later(32)
    await eventually(lambda: house.rows() == ["delivered"] * 13)
    assert sorted(map(len, sink.batches)) == [1, 2, 5, 5]
    assert all(len(set(batch)) == 1 for batch in streams(sink))


async def test_a_failed_recording_is_told_at_once_and_by_itself_and_its_group_still_waits(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery=GROUPED)
    await house.put(event(1, stream="a"))
    await house.put(event(2, stream="a", type=RECORDING_FAILED))
    await eventually(lambda: len(sink.batches) == 1)
    assert [delivery.event.type for delivery in sink.seen] == [RECORDING_FAILED]
    await house.later(32)
    await eventually(lambda: house.rows() == ["delivered"] * 2)


async def test_a_retry_does_not_wait_for_the_window_again(build: Build) -> None:
    sink = Batching("app", raising(lambda: Retry("busy")))
    house = await build(sink, delivery={**GROUPED, "retry": {"initial": "2s", "max": "2s"}})
    await house.put(event(1, stream="a"))
    await house.later(45)
    assert len(sink.batches) >= 4


async def test_what_an_earlier_run_left_goes_by_its_groups(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery=GROUPED)
    for number in range(6):
        await house.put(event(number, stream="ab"[number % 2]))
    await house.close()
    again = Batching()
    house = await build(again, delivery=GROUPED)
    await house.later(32)
    await eventually(lambda: house.rows() == ["delivered"] * 6)
    assert sorted(streams(again)) == [["a"] * 3, ["b"] * 3]
    assert sink.batches == []


async def test_a_window_of_nothing_still_never_mixes_groups(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery={"batch": {"max": 5, "window": "0s", "group_by": ["stream"]}})
    await house.put(*(event(number, stream="ab"[number % 2]) for number in range(8)))
    await eventually(lambda: house.rows() == ["delivered"] * 8)
    assert all(len(set(batch)) == 1 for batch in streams(sink))
