"""Which is claimed first: fresh and again in turn, one of a key at a time, no sink before another."""

from __future__ import annotations

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.outbox import statements as sql
from gateway.store.store import Store
from tests.store.claimed import claim_one
from tests.store.conftest import Opener
from tests.store.kit import LEASE, act, new, settlement, take


async def test_ended_leases_come_first_then_fresh_and_again_share(store: Store, clock: FrozenClock) -> None:
    await take(store, *[new(n, "app") for n in range(30)])
    tried = await store.claim("app", 20, LEASE)
    await store.settle([settlement(lease, "waiting") for lease in tried[:10]])
    clock.advance(60)  # the other ten leases end
    leases = await store.claim("app", 16, LEASE)
    gone = [lease for lease in leases if lease.token == 2 and lease.delivery in {one.delivery for one in tried[10:]}]
    again = [lease for lease in leases if lease.delivery in {one.delivery for one in tried[:10]}]
    fresh = [lease for lease in leases if lease.token == 1]
    assert (len(gone), len(again), len(fresh)) == (10, 3, 3)


async def test_which_lane_leads_alternates(store: Store) -> None:
    await take(store, *[new(n, "app") for n in range(8)])
    await store.settle([settlement(lease, "waiting") for lease in await store.claim("app", 4, LEASE)])
    ones = [await claim_one(store) for _ in range(4)]
    assert sorted(lease.attempt for lease in ones) == [1, 1, 2, 2]


@pytest.mark.parametrize("lane", ["fresh", "again"])
async def test_one_lane_may_have_all_of_a_claim_when_the_other_is_empty(store: Store, lane: str) -> None:
    await take(store, *[new(n, "app") for n in range(10)])
    if lane == "again":
        await store.settle([settlement(lease, "waiting") for lease in await store.claim("app", 10, LEASE)])
    for _ in range(2):  # whichever leads
        leases = await store.claim("app", 10, LEASE)
        assert len(leases) == 10
        await store.release([(lease.delivery, lease.token) for lease in leases])


async def test_ten_thousand_retries_do_not_keep_fresh_events_out_of_the_first_claims(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await take(store, *[new(n, "app") for n in range(200)])
    for _ in range(2):
        await store.settle([settlement(lease, "waiting") for lease in await store.claim("app", 100, LEASE)])
    clock.advance(1)
    await take(store, *[new(n, "app") for n in range(1000, 1010)])
    fresh = 0
    for _ in range(2):
        fresh += sum(1 for lease in await store.claim("app", 10, LEASE) if lease.attempt == 1)
    assert fresh == 10


async def test_other_sinks_are_claimed_whatever_one_sink_is(opened: Opener, clock: FrozenClock) -> None:
    store = await opened()
    await take(store, *[new(n, "bad", "good") for n in range(4)])
    await store.trip("bad", 60_000, "down")
    assert not await store.claim("bad", 10, LEASE)
    assert len(await store.claim("good", 10, LEASE)) == 4


# -- ordering keys --------------------------------------------------------------------------------------------------


async def ordered(store: Store, *numbers: int) -> None:
    await take(store, *[new(n, "app", key="k") for n in numbers])


async def test_the_next_of_a_key_goes_when_the_head_is_delivered_or_dead_not_before(store: Store) -> None:
    await ordered(store, 1, 2, 3)
    head = await claim_one(store)
    assert not await store.claim("app", 10, LEASE)
    await store.settle([settlement(head, "waiting", delay=0)])
    again = await claim_one(store)
    assert again.delivery == head.delivery
    await store.settle([settlement(again, "dead")])
    second = await claim_one(store)
    assert second.event.stream == "s2"
    await store.settle([settlement(second)])
    assert (await claim_one(store)).event.stream == "s3"


async def test_a_cancelled_head_lets_the_next_go_when_promoted(store: Store, url: str, clock: FrozenClock) -> None:
    await ordered(store, 1, 2)
    ((sink, key),) = act(url, clock, sql.CANCEL, id=1, note="")
    act(url, clock, sql.PROMOTE + " RETURNING id", sink=sink, key=key)
    assert (await claim_one(store)).event.stream == "s2"


async def test_a_retry_by_hand_of_a_dead_head_waits_behind_the_new_one(
    store: Store, url: str, clock: FrozenClock
) -> None:
    await ordered(store, 1, 2, 3)
    await store.settle([settlement(await claim_one(store), "dead")])
    act(url, clock, sql.NEW_ROUND, id=1, replay=0)
    second = await claim_one(store)
    assert second.event.stream == "s2"
    await store.settle([settlement(second)])
    assert (await claim_one(store)).event.stream == "s1"


async def test_settles_of_many_keys_in_one_batch_free_each_of_them(store: Store) -> None:
    await take(store, *[new(n, "app", key=f"k{n % 5}") for n in range(15)])
    for expected in (5, 5, 5, 0):
        leases = await store.claim("app", 100, LEASE)
        assert len(leases) == expected
        done = await store.settle([settlement(lease) for lease in leases])
        assert done == [True] * expected
