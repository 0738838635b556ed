"""What is kept of a source on both databases: the newest moment, and so many types."""

from __future__ import annotations

from collections.abc import Callable

from gateway.store.admin.admin import StoreAdmin
from gateway.store.outbox.activity import TYPES_KEPT_MAX
from gateway.store.records import Heard
from gateway.store.store import Store


async def test_of_each_source_the_newest_moment_holds_whoever_writes_it(
    store: Store, admins: Callable[..., StoreAdmin]
) -> None:
    await store.heard([Heard("live", 3), Heard("live", 2, ignored=True, vendor_type="PUSH", size=5)])
    await store.heard([Heard("live", 2), Heard("live", 4, ignored=True, vendor_type="PUSH", size=6), Heard("vod", 1)])
    known = admins().sources()
    assert {name: row.seen_at for name, row in known.items()} == {"live": 3, "vod": 1}
    assert known["live"].ignored == (Heard("live", 4, ignored=True, vendor_type="PUSH", size=6),)


async def test_a_vendor_that_makes_up_types_fills_no_table(store: Store, admins: Callable[..., StoreAdmin]) -> None:
    for at in range(4):
        rows = [Heard("live", 100 * at + n, ignored=True, vendor_type=f"{at}-{n}") for n in range(TYPES_KEPT_MAX)]
        await store.heard([*rows, Heard("vod", 1, ignored=True, vendor_type="x"), Heard("live", 1)])
    known = admins().sources()
    assert [one.vendor_type for one in known["live"].ignored] == [f"3-{n}" for n in reversed(range(TYPES_KEPT_MAX))]
    assert len(known["vod"].ignored) == 1
    assert known["live"].seen_at == 1
