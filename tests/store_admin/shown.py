"""Rows that the tests of what people see begin with."""

from __future__ import annotations

from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Store
from tests.store.kit import LEASE, START, settlement

AT = round(START.timestamp() * 1000)


async def settle(store: Store, sink: str, state: str, **changes: object) -> None:
    (lease,) = await store.claim(sink, 1, LEASE)
    await store.settle([settlement(lease, state, **changes)])


# -- deliveries and what they wait for


def waits_for(admin: StoreAdmin) -> list[str | None]:
    return [row.waits_for for row in admin.deliveries()]
