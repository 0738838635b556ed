"""One lease, and the row of it."""

from __future__ import annotations

from gateway.store.records import Lease
from gateway.store.store import Store
from tests.store.kit import LEASE


async def claim_one(store: Store, sink: str = "app", **options: object) -> Lease:
    (lease,) = await store.claim(sink, 1, LEASE, **options)  # type: ignore[arg-type]
    return lease
