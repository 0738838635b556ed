"""Rates and batches through a whole lane: what has to wait stays waiting in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway.errors import Retry, Unavailable
from gateway.model import RECORDING_FAILED, Delivery
from tests.patience import eventually

from .conftest import Batching, Build, House, Scripted, event, raising


async def timed(house: House, sink: Scripted, times: list[float]) -> None:
    async def note(delivery: Delivery) -> None:
        times.append(house.clock.monotonic())

    sink.script = note


async def test_a_rate_is_never_passed_in_any_window_and_is_used_to_the_full(build: Build) -> None:
    sink, times = Scripted(), list[float]()
    house = await build(sink, delivery={"rate": "20/m", "concurrency": 50})
    await timed(house, sink, times)
    await house.fill(70)
    await house.later(200)
    assert len(times) == 70
    for first in times:
        assert sum(1 for at in times if first <= at < first + 60) <= 20
    assert max(times) - min(times) < 200


async def test_what_waits_for_its_rate_waits_in_the_store_unburnt(build: Build) -> None:
    sink = Scripted()
    house = await build(sink, delivery={"rate": "2/m"})
    for number in range(5):
        await house.put(event(number))
    await house.later(5)
    await eventually(lambda: sorted(house.rows("state, attempts")) == [("delivered", 1)] * 2 + [("waiting", 0)] * 3)


async def test_a_fresh_delivery_uses_a_token_of_the_rate(build: Build) -> None:
    house = await build(Scripted(), delivery={"rate": "1/m"})
    (taken,) = await house.put(event(1))
    assert len(taken.leases) == 1
    (second,) = await house.put(event(2))
    assert second.waiting == ("app",)


async def test_a_reservation_that_was_not_used_gives_its_token_back(build: Build) -> None:
    house = await build(Scripted(), delivery={"rate": "1/m"})
    assert house.dispatcher.reserve("app") is not None
    assert house.dispatcher.reserve("app") is None
    house.dispatcher.unreserve("app")
    assert house.dispatcher.reserve("app") is not None
    house.dispatcher.wake("app")
    await house.calm()
    house.dispatcher.unreserve("app")


async def test_a_failed_attempt_has_used_its_token_as_services_count_it(build: Build) -> None:
    sink = Scripted("app", raising(lambda: Retry("busy")))
    house = await build(sink, delivery={"rate": "3/m", "retry": {"initial": "1s", "max": "1s"}})
    await house.put(event(1))
    await house.later(58)
    assert len(sink.seen) == 3


async def test_a_probe_waits_for_the_rate_too(build: Build) -> None:
    sink = Scripted("app", raising(lambda: Unavailable("gone")))
    house = await build(sink, delivery={"rate": "1/m"})
    await house.put(event(1))
    await house.later(50)
    assert len(sink.seen) == 1
    await house.later(20)
    assert len(sink.seen) == 2


# --- batches --------------------------------------------------------------------------------------------------------

BATCH: dict[str, Any] = {"batch": {"max": 5, "window": "30s"}}


async def test_a_batch_waits_for_its_window_and_takes_what_came(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery=BATCH)
    for number in range(3):
        await house.put(event(number))
    await house.later(29)
    assert sink.batches == []
    await eventually(lambda: house.rows("state, attempts") == [("waiting", 0)] * 3)
    await house.later(2)
    await eventually(lambda: house.rows() == ["delivered"] * 3)
    assert [len(batch) for batch in sink.batches] == [3]


async def test_a_full_batch_does_not_wait(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery=BATCH)
    for number in range(12):
        await house.put(event(number))
    await eventually(lambda: len(sink.batches) == 2)
    assert [len(batch) for batch in sink.batches] == [5, 5]
    await house.later(32)
    await eventually(lambda: house.rows() == ["delivered"] * 12)
    assert [len(batch) for batch in sink.batches] == [5, 5, 2]


async def test_a_failed_recording_is_never_held_back_by_a_batch(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery=BATCH)
    await house.put(event(1))
    await house.put(event(2, type=RECORDING_FAILED))
    await eventually(lambda: house.rows() == ["delivered"] * 2)
    assert [len(batch) for batch in sink.batches] == [2]


async def test_the_retry_of_a_failed_recording_is_not_held_back_either(build: Build) -> None:
    sink = Batching("app", raising(lambda: Retry("busy")))
    house = await build(sink, delivery={**BATCH, "retry": {"initial": "2s", "max": "2s"}})
    await house.put(event(1, type=RECORDING_FAILED))
    await house.later(10)
    assert len(sink.batches) >= 4


async def test_what_an_earlier_run_left_is_carried_at_once(build: Build) -> None:
    house = await build(Scripted(), delivery=BATCH)
    await house.fill(3)
    await house.close()
    sink = Batching()
    again = await build(sink, delivery=BATCH)
    await eventually(lambda: again.rows() == ["delivered"] * 3)


async def test_a_backlog_flows_in_full_batches_one_behind_the_other(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery={**BATCH, "concurrency": 1})
    await house.fill(103)
    await house.later(32)
    await eventually(lambda: house.rows("count(*)", "state = 'delivered'") == [103])
    assert max(len(batch) for batch in sink.batches) == 5
    assert len(sink.batches) <= 22


async def test_a_batch_may_be_larger_than_one_claim(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery={"batch": {"max": 250, "window": "30s"}})
    await house.fill(250)
    await house.later(32)
    await eventually(lambda: house.rows("count(*)", "state = 'delivered'") == [250])
    assert [len(batch) for batch in sink.batches] == [250]


async def test_a_batch_uses_one_token_of_the_rate(build: Build) -> None:
    sink = Batching()
    house = await build(sink, delivery={**BATCH, "rate": "2/m"})
    for number in range(20):
        await house.put(event(number))
    await house.later(50)
    assert [len(batch) for batch in sink.batches] == [5, 5]
    await house.later(30)
    assert len(sink.batches) == 4


async def test_one_of_a_batch_may_fail_for_itself(build: Build) -> None:
    async def one_fails(given: Sequence[Delivery]) -> list[Any]:
        return [Retry("busy") if delivery.event.id == event(0).id else "ok" for delivery in given]

    sink = Batching()
    sink.together = one_fails
    house = await build(sink, delivery=BATCH)
    for number in range(5):
        await house.put(event(number))
    await eventually(lambda: house.rows() == ["waiting", *["delivered"] * 4])


async def test_a_batch_that_fails_as_a_whole_goes_one_by_one_so_that_poison_hurts_only_itself(build: Build) -> None:
    poison = event(2).id

    async def all_or_none(given: Sequence[Delivery]) -> list[Any]:
        if any(delivery.event.id == poison for delivery in given):
            raise KeyError("cannot render one of them")
        return ["ok"] * len(given)

    async def alone(delivery: Delivery) -> None:
        if delivery.event.id == poison:
            raise KeyError("cannot render it")

    sink = Batching("app", alone)
    sink.together = all_or_none
    house = await build(sink, delivery={**BATCH, "retry": {"initial": "1s", "max": "1s"}})
    for number in range(5):
        await house.put(event(number))
    await house.later(70)
    await eventually(lambda: [len(batch) for batch in sink.batches[:6]] == [5, 1, 1, 1, 1, 1])
    await eventually(lambda: house.rows() == ["delivered", "delivered", "waiting", "delivered", "delivered"])
    for number in range(5, 9):
        await house.put(event(number))
    await house.later(70)
    await eventually(lambda: house.rows("count(*)", "state = 'delivered'") == [8])
    assert all(len(batch) == 1 for batch in sink.batches[1:] if poison in batch)


async def test_one_by_one_keeps_to_the_rate(build: Build) -> None:
    async def fail(given: Sequence[Delivery]) -> list[Any]:
        raise KeyError("no")

    sink = Batching()
    sink.together = fail
    house = await build(sink, delivery={**BATCH, "rate": "3/m", "retry": {"initial": "1s", "max": "1s"}})
    times: list[float] = []
    await timed(house, sink, times)
    for number in range(5):
        await house.put(event(number))
    await house.later(300)
    await eventually(lambda: house.rows() == ["delivered"] * 5)
    for first in times:
        assert sum(1 for at in times if first <= at < first + 60) <= 3
    await eventually(lambda: house.rows("max(attempts)") == [2])


async def test_one_timeout_of_a_batch_counts_once_for_the_circuit(build: Build) -> None:
    async def hang(given: Sequence[Delivery]) -> list[Any]:
        await asyncio.Event().wait()
        return []

    sink = Batching()
    sink.together = hang
    house = await build(sink, delivery={"batch": {"max": 20, "window": "30s"}, "timeout": "10ms"})
    for number in range(20):
        await house.put(event(number))
    await eventually(lambda: house.rows("sum(attempts)", "state = 'waiting'") == [20])
    assert house.value("circuit_open", sink="app") == 0
