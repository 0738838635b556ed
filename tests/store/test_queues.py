"""Queues: what waits for one target stands behind a head, and costs a claim nothing however long it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from gateway.runtime.clock import FrozenClock
from gateway.store.records import Lease, Rank
from gateway.store.store import Store
from tests.store.kit import LEASE, new, settlement, table, take

KEY = "owner 1"


def shown(url: str) -> list[tuple[Any, ...]]:
    return sorted(table(url, "id, state, rank, attempts, order_key", "deliveries"))


async def taken(store: Store, count: int, *, start: int = 1) -> Sequence[Lease]:
    """So many deliveries, leased."""
    await take(store, *[new(n, "app") for n in range(start, start + count)])
    return sorted(await store.claim("app", count, LEASE), key=lambda lease: lease.delivery)


async def join(store: Store, leases: Sequence[Lease], delay: int = 0, key: str = KEY) -> None:
    await store.join_queue("app", key, [(lease.delivery, lease.token) for lease in leases], delay=delay)


async def test_the_first_stands_at_the_head_and_all_others_behind_it(
    store: Store, url: str, clock: FrozenClock
) -> None:
    leases = await taken(store, 4)
    await join(store, leases[:3], 5_000)
    await join(store, leases[3:], 1)
    assert [rank for _, _, rank, attempts, _ in shown(url) if attempts == 0] == [Rank.AGAIN, *[Rank.BEHIND] * 3]
    assert not await store.claim("app", 10, LEASE)
    clock.advance(6)
    (head,) = await store.claim("app", 10, LEASE)
    assert (head.delivery, head.order_key, head.attempt) == (leases[0].delivery, KEY, 1)
    await store.settle([settlement(head)])
    (second,) = await store.claim("app", 10, LEASE)
    assert second.delivery == leases[1].delivery


async def test_a_head_that_goes_back_stays_the_head(store: Store, url: str, clock: FrozenClock) -> None:
    leases = await taken(store, 3)
    await join(store, leases)
    for _ in range(3):
        (head,) = await store.claim("app", 10, LEASE)
        await join(store, [head], 1_000)
        clock.advance(2)
    assert [(rank, key) for _, _, rank, _, key in shown(url)] == [(1, KEY), (2, KEY), (2, KEY)]
    assert {attempts for _, _, _, attempts, _ in shown(url)} == {0}


async def test_a_head_that_leaves_waits_by_itself_and_the_next_comes_free(store: Store, url: str) -> None:
    leases = await taken(store, 3)
    await join(store, leases)
    (head,) = await store.claim("app", 10, LEASE)
    await store.settle([settlement(head, "waiting", delay=60_000)])
    assert not await store.claim("app", 10, LEASE)
    await store.leave_queue("app", KEY, head.delivery, head.token)
    (second,) = await store.claim("app", 10, LEASE)
    assert second.delivery == leases[1].delivery
    assert shown(url)[0][2:] == (1, 1, None)


async def test_whoever_lost_its_lease_or_was_claimed_again_changes_nothing(
    store: Store, url: str, clock: FrozenClock
) -> None:
    leases = await taken(store, 2)
    clock.advance(LEASE / 1000 + 1)
    again = await store.claim("app", 10, LEASE)
    assert len(again) == 2
    before = shown(url)
    await join(store, leases)
    assert shown(url) == before
    await join(store, again)
    (head,) = await store.claim("app", 10, LEASE)
    before = shown(url)
    await store.leave_queue("app", KEY, head.delivery, head.token - 1)  # it was claimed since
    await store.leave_queue("app", KEY, again[1].delivery, again[1].token)  # it stands behind
    await store.leave_queue("app", "owner 2", head.delivery, head.token)  # of another queue
    assert shown(url) == before


async def test_a_queue_is_one_sinks_and_one_owners(store: Store, url: str) -> None:
    leases = await taken(store, 2)
    await take(store, new(9, "other"))
    others = await store.claim("other", 1, LEASE)
    await join(store, leases[:1])
    await join(store, leases[1:], key="owner 2")
    await store.join_queue("other", KEY, [(others[0].delivery, others[0].token)], delay=0)
    assert [rank for _, _, rank, _, _ in shown(url)] == [1, 1, 1]


async def test_many_that_join_at_once_have_one_head(store: Store, url: str) -> None:
    leases = await taken(store, 40)
    await asyncio.gather(*[join(store, [lease]) for lease in leases])
    assert sorted(rank for _, _, rank, _, _ in shown(url)) == [1, *[2] * 39]
    for _ in range(40):
        (head,) = await store.claim("app", 10, LEASE)
        await store.settle([settlement(head, "dead")])
    assert not await store.claim("app", 10, LEASE)
    assert {state for _, state, _, _, _ in shown(url)} == {"dead"}
