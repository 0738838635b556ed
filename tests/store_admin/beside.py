"""What a gateway does beside the people of these tests: it takes in, claims, settles."""

from __future__ import annotations

from gateway.store.records import Lease
from gateway.store.store import Store
from tests.store.kit import LEASE, settlement

MINUTE = 60_000


async def claim(store: Store, sink: str = "app", most: int = 10) -> list[Lease]:
    return list(await store.claim(sink, most, LEASE))


async def settle(store: Store, lease: Lease, state: str, **changes: object) -> bool:
    (done,) = await store.settle([settlement(lease, state, **changes)])
    return done


async def finished(store: Store, state: str, sink: str = "app") -> Lease:
    """One delivery that ended so."""
    (lease,) = await claim(store, sink)
    await settle(store, lease, state)
    return lease
