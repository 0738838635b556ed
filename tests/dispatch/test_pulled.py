"""A sink that nobody calls: consumers lease, and the rules of every lane hold for what they say."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dispatch.pulled_lane import PulledLane
from gateway.dispatch.receipts import Receipt, Receipts
from gateway.errors import Problem, Refused, Retry
from gateway.store.records import Lease, Pulled
from tests.patience import PATIENCE_S, eventually

from .conftest import Build, House, Scripted, event
from .test_pausing import pause
from .test_shared_store import Pair, pair

__all__ = ["pair"]
MINUTE = 60_000  # ms


class Fetched(Scripted):
    """Nobody calls it."""

    pulled = True


def lane_of(house: House) -> PulledLane:
    lane = house.dispatcher.lanes["app"]
    assert isinstance(lane, PulledLane)
    return lane


def receipt(lease: Lease, length: int = MINUTE) -> Receipt:
    return Receipt(lease.delivery, lease.token, lease.until - length)


async def give(house: House, most: int = 10, length: int = MINUTE) -> Sequence[Lease]:
    return (await lane_of(house).give(most, length)).leases


async def one_of(house: House) -> Lease:
    (lease,) = await give(house)
    return lease


async def waiting_consumer(house: House, seconds: float, most: int = 10) -> asyncio.Task[Pulled]:
    lane = lane_of(house)
    task = asyncio.create_task(lane.give_within(seconds, most, MINUTE, lambda: True))
    before = len(lane._waiters)
    await eventually(lambda: len(lane._waiters) > before)
    await house.calm()
    return task


async def test_nothing_is_called_and_what_is_acknowledged_is_delivered_once(build: Build) -> None:
    sink = Fetched()
    house = await build(sink)
    await house.put(event(1), event(2))
    await house.later(10)
    assert (sink.seen, house.rows()) == ([], ["waiting"] * 2)
    one, two = await give(house)
    house.clock.advance(3)
    outcomes = lane_of(house).outcomes
    for _ in range(2):  # an answer that was lost is asked for again
        assert await outcomes.end_leases([receipt(one)], "acknowledged by me") == [True]
    assert house.rows("state, note") == [("delivered", "acknowledged by me"), ("sending", None)]
    assert house.attempts("outcome, took_ms") == [("delivered", 3000)]
    assert house.counted("app", "delivered") == 1
    assert await outcomes.end_leases([receipt(two)], Retry("the disk is full")) == [True]
    assert await outcomes.end_leases([receipt(two)], Retry("the disk is full")) == [True]
    assert await outcomes.end_leases([receipt(two)], "after all") == [False]
    assert house.attempts("outcome, detail")[1] == ("retry", "the disk is full")
    assert sink.seen == []


@pytest.mark.parametrize(
    ("result", "row"),
    [
        (Retry("no", timedelta(seconds=90)), ("waiting", 90_000, 1, None)),
        (Retry("no", timedelta(days=30)), ("waiting", 6 * 3600_000, 1, None)),  # retry.max_retry_after
        (Refused("never"), ("dead", 0, 1, "refused")),
    ],
)
async def test_a_delivery_goes_on_as_its_consumer_says(build: Build, result: Any, row: Any) -> None:
    house = await build(Fetched())
    await house.put(event(1))
    assert await lane_of(house).outcomes.end_leases([receipt(await one_of(house))], result) == [True]
    assert house.rows(f"state, due_at - {house.clock.ms()}, attempts, reason") == [row]


async def test_what_is_given_back_untouched_is_due_at_once_and_counts_no_attempt(build: Build) -> None:
    house = await build(Fetched())
    await house.put(event(1))
    lease = await one_of(house)
    outcomes = lane_of(house).outcomes
    assert await outcomes.give_back([receipt(lease)]) == [True]
    assert await outcomes.give_back([receipt(lease)]) == [False]
    assert (await one_of(house)).attempt == 1
    assert house.attempts() == []


async def test_a_lease_that_ended_goes_to_another_and_the_late_word_is_only_written_down(build: Build) -> None:
    house = await build(Fetched())
    await house.put(event(1))
    first = await one_of(house)
    await house.later(61)
    second = await one_of(house)
    assert (second.attempt, house.attempts()) == (2, ["lost"])
    outcomes = lane_of(house).outcomes
    assert await outcomes.end_leases([receipt(first), receipt(second)], "done") == [False, True]
    assert house.attempts() == ["delivered", "delivered"]  # people see that it arrived twice
    assert house.rows("state, attempts") == [("delivered", 2)]
    assert await outcomes.extend([receipt(first)], MINUTE) == [None]


async def test_a_word_that_comes_late_but_before_anybody_elses_is_good(build: Build) -> None:
    house = await build(Fetched())
    await house.put(event(1))
    lease = await one_of(house)
    house.clock.advance(3600)
    assert await lane_of(house).outcomes.end_leases([receipt(lease)], "done") == [True]


async def test_what_fails_dies_of_age_and_what_kills_its_consumers_dies_too(build: Build) -> None:
    house = await build(Fetched(), delivery={"retry": {"give_up_after": "1h", "initial": "1s", "max": "1m"}})
    await house.put(event(1), event(2))
    outcomes = lane_of(house).outcomes
    failing, killing = await give(house)
    house.clock.advance(3600)
    assert await outcomes.end_leases([receipt(failing)], Retry("again")) == [True]
    assert house.rows("state, reason")[0] == ("dead", "expired")
    for _ in range(19):
        house.clock.advance(400)
        assert await one_of(house) is not None
    house.clock.advance(400)
    assert not await give(house)
    await eventually(lambda: house.rows("state, reason")[1] == ("dead", "expired"))
    assert house.attempts("outcome", f"delivery = {killing.delivery}") == ["lost"] * 21
    assert house.value("dead_total", sink="app", reason="expired") == 2


async def test_a_consumer_waits_until_something_comes_and_no_longer_than_it_said(build: Build) -> None:
    house = await build(Fetched())
    task = await waiting_consumer(house, 30)
    assert house.value("pull_waiting", sink="app") == 1
    await house.put(event(1))
    assert [lease.event.id for lease in (await task).leases] == [event(1).id]
    assert (house.value("pull_waiting", sink="app"), house.value("pull_leased_total", sink="app")) == (0, 1)
    task = await waiting_consumer(house, 30)
    await house.later(31)
    assert (await task).why == "empty"


async def test_who_waits_is_called_in_turn_and_passes_on_what_is_left(build: Build) -> None:
    house = await build(Fetched(), delivery={"concurrency": 10})
    tasks = [await waiting_consumer(house, 30, most=2) for _ in range(3)]
    await house.put(*(event(n) for n in range(5)))
    given = [await task for task in tasks]
    assert sorted(len(one.leases) for one in given) == [1, 2, 2]


async def test_a_failed_attempt_and_the_next_of_a_stream_wake_who_waits(build: Build) -> None:
    house = await build(Fetched(), delivery={"order": "stream"})
    await house.put(event(1), event(2))
    lease = await one_of(house)
    task = await waiting_consumer(house, 30)
    await lane_of(house).outcomes.end_leases([receipt(lease)], Retry("later", timedelta(seconds=5)))
    await house.later(6)
    (again,) = (await task).leases
    assert (again.event.id, again.attempt) == (event(1).id, 2)
    task = await waiting_consumer(house, 30)
    await lane_of(house).outcomes.end_leases([receipt(again)], "done")
    assert [one.event.id for one in (await task).leases] == [event(2).id]


async def test_what_was_leased_for_a_consumer_that_left_goes_back_untouched(build: Build) -> None:
    house = await build(Fetched())
    await house.put(event(1))
    task = asyncio.create_task(lane_of(house).give(1, MINUTE))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await eventually(lambda: house.rows("state, attempts, token") == [("waiting", 0, 1)])
    assert (await one_of(house)).attempt == 1


async def test_a_rate_a_pause_and_the_end_hold_for_consumers(build: Build) -> None:
    house = await build(Fetched(), delivery={"rate": "2/m", "concurrency": 10})
    lane = lane_of(house)
    await house.put(*(event(n) for n in range(4)))
    assert len(await give(house)) == 2
    assert (await lane.give(9, MINUTE)).why == "rate"
    task = await waiting_consumer(house, 30)
    await house.later(29)
    assert not task.done()
    await house.later(2)
    assert (await task).why == "rate"
    await house.later(30)
    assert len(await give(house)) == 2
    await pause(house)
    await house.later(61)
    assert (await lane.give(9, MINUTE)).why == "paused"
    task = await waiting_consumer(house, 30)
    await house.dispatcher.close(0.1)
    assert (await task).why == "stopping"
    assert (await lane.give(1, MINUTE)).why == "stopping"


async def test_two_gateways_hand_out_each_delivery_once_and_take_each_others_receipts(pair: Pair) -> None:
    first = await pair.add(Fetched(), delivery={"concurrency": 100}, owner="one")
    second = await pair.add(Fetched(), delivery={"concurrency": 100}, owner="two")
    ids = await first.fill(60)
    given = await asyncio.gather(*(give(house, 10) for house in (first, second) for _ in range(3)))
    leases = [lease for some in given for lease in some]
    assert Counter(lease.event.id for lease in leases) == Counter(ids)
    written = [(await lane_of(first).outcomes.receipts()).receipt_of(lease, MINUTE) for lease in leases]
    read = await lane_of(second).outcomes.receipts()
    assert await lane_of(second).outcomes.end_leases([read.parse(text) for text in written], "done") == [True] * 60
    task = await waiting_consumer(second, 20)
    await first.put(event(9999), reserve=True)
    assert len((await asyncio.wait_for(task, PATIENCE_S)).leases) == 1


async def test_two_gateways_together_lease_no_more_than_the_sink_allows(pair: Pair) -> None:
    houses = [await pair.add(Fetched(), delivery={"concurrency": 7}, owner=name) for name in ("one", "two")]
    await houses[0].fill(40)
    given = await asyncio.gather(*(give(house, 3) for house in houses for _ in range(6)))
    assert sum(map(len, given)) == 7


KEY = bytes(range(32))


@given(st.text(max_size=120) | st.from_regex(r"\A[A-Za-z0-9_-]{56}\Z"))
def test_what_was_not_made_here_is_no_receipt(text: str) -> None:
    with pytest.raises(Problem) as raised:
        Receipts(KEY, "app").parse(text)
    assert (raised.value.status, raised.value.code) == (400, "receipt_invalid")


@given(*[st.integers(0, 2**63 - 1)] * 3)
def test_a_receipt_says_what_was_put_in_to_its_own_sink_alone(delivery: int, token: int, at: int) -> None:
    receipts = Receipts(KEY, "app")
    lease = Lease(
        delivery=delivery, token=token, sink="app", event=event(1), attempt=1, round=0, replay=False, first_at=0,
        stalled=0, until=at,
    )  # fmt: skip
    text = receipts.receipt_of(lease, 0)
    assert receipts.parse(text) == Receipt(delivery, token, at)
    other = [Receipts(KEY, "ops"), Receipts(KEY[::-1], "app")]
    changed = text[:-1] + ("A" if text[-1] != "A" else "B")
    for reader, shown in [(other[0], text), (other[1], text), (receipts, changed), (receipts, text + "A")]:
        with pytest.raises(Problem):
            reader.parse(shown)
