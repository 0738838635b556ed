"""What people erase is a log for the sinks that hold something of it: everything that went, and what retention took before."""

from __future__ import annotations

from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Store
from tests.store.kit import LEASE, new, other, settlement, table, take
from tests.store_admin.test_follow_ups import follow_up

ONE, TWO = f"{1:032x}", f"{2:032x}"


async def noted(store: Store) -> list[tuple[str, str]]:
    return [(row.source, row.ref) for row in await store.erasures(0)]


async def test_every_content_and_what_follows_on_it_is_noted(store: Store, admin: StoreAdmin) -> None:
    first = new(1, "app")
    await take(store, first, other(1, "a"), new(2))
    (lease,) = await store.claim("app", 1, LEASE)
    await store.settle_with(settlement(lease), [follow_up(first, 101)])
    (beside,) = admin.event(ONE).beside
    admin.erase(ONE)
    assert sorted(await noted(store)) == sorted([("live", ONE), ("live", beside.ref), ("live", f"{101:032x}")])


async def test_of_what_retention_deleted_sinks_are_told_all_the_same(
    store: Store, admin: StoreAdmin, clock: FrozenClock, url: str
) -> None:
    first = new(1)
    await take(store, first, new(2))
    clock.advance(8 * 86400)
    assert await store.sweep() == 2
    await take(store, follow_up(first, 101, "ops"))  # which came of it late
    total = admin.erase([f"live:{ONE}", TWO, f"{3:032x}", f"elsewhere:{ONE}", f"{ONE}~0a1b2c3d"])
    assert [answer.well for answer in total.answers] == [True, True, False, False, True]
    expected = [("live", ONE), ("live", f"{101:032x}"), ("live", TWO), ("live", f"{ONE}~0a1b2c3d")]
    assert await noted(store) == expected
    assert table(url, "count(*)", "events") == [(0,)]
