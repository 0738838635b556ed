"""`store.limits.waiting` is shared: one source can fill what is common, and never what another keeps."""

from __future__ import annotations

import asyncio
import random

import pytest

from gateway.errors import StoreFull
from gateway.runtime.clock import FrozenClock
from gateway.store.outbox.limits import StoreLimits
from gateway.store.outbox.retention import Keep
from gateway.store.store import Store
from tests.store.conftest import Opener
from tests.store.kit import LEASE, event, new, settlement


async def fill(store: Store, source: str, start: int, most: int) -> int:
    """Accept until the store is full; how many were taken."""
    for number in range(most):
        store._limits.count_at = 0.0  # a test cannot wait for the next count
        await store.sinks()
        try:
            await store.accept([new(event(start + number, source=source), "app")])
        except StoreFull:
            return number
    return most


async def test_a_source_alone_may_use_all(opened: Opener) -> None:
    store = await opened(keep=Keep(waiting=12))
    store.divide(["only"])
    assert await fill(store, "only", 0, 100) == 12
    assert store.full()


@pytest.mark.parametrize("sources", [2, 3, 4])
async def test_each_source_keeps_a_part_that_no_other_fills(opened: Opener, sources: int) -> None:
    waiting = 24
    names = [f"s{n}" for n in range(sources)]
    store = await opened(keep=Keep(waiting=waiting))
    store.divide(names)
    reserved = waiting // (2 * sources)
    hostile = await fill(store, names[0], 0, 100)
    assert hostile == waiting - reserved * (sources - 1)
    assert not store.full()  # others still get in
    for place, name in enumerate(names[1:], 1):
        assert await fill(store, name, 1000 * place, 100) == reserved
    assert store.full()


async def test_what_was_delivered_makes_room_again(opened: Opener) -> None:
    store = await opened(keep=Keep(waiting=8))
    store.divide(["a", "b"])
    assert await fill(store, "a", 0, 100) == 6
    leases = await store.claim("app", 3, LEASE)
    await store.settle([settlement(lease) for lease in leases])
    assert await fill(store, "a", 100, 100) == 3


async def test_a_source_that_is_not_configured_any_more_holds_no_part(opened: Opener) -> None:
    store = await opened(keep=Keep(waiting=16))
    store.divide(["a", "b"])
    assert await fill(store, "gone", 0, 100) == 8
    assert await fill(store, "a", 100, 100) == 4
    assert await fill(store, "b", 200, 100) == 4


def test_whatever_others_do_a_source_below_its_part_gets_in() -> None:
    chance = random.Random(3)
    for _ in range(300):
        names = [f"s{n}" for n in range(chance.randint(2, 6))]
        keep = Keep(waiting=chance.randint(20, 200))
        limits = StoreLimits(keep, None)
        limits.divide(names)
        reserved = keep.waiting // (2 * len(names))
        used = dict.fromkeys(names, 0)
        for _ in range(keep.waiting * 2):
            name = chance.choice(names[: chance.randint(1, len(names))])
            limits.counted(sum(used.values()), 0.0, used)
            try:
                limits.check([name])
            except StoreFull:
                assert used[name] >= reserved
            else:
                used[name] += 1
        assert sum(used.values()) <= keep.waiting


async def test_counting_by_source_begins_only_when_it_matters(opened: Opener, clock: FrozenClock) -> None:
    store = await opened(keep=Keep(waiting=100))
    store.divide(["a", "b"])
    await asyncio.gather(*[store.accept([new(event(n, source="a"), "app")]) for n in range(20)])
    assert store._recounting is None
