"""Acts of a person, and the rows that are written of them."""

from __future__ import annotations

from gateway.store.admin.admin import Actor, StoreAdmin
from gateway.store.records import Refusal
from gateway.store.store import Store
from tests.store.kit import LEASE, settlement

ME = Actor("ada", "laptop")


ONE = f"{1:032x}"


def rows(admin: StoreAdmin) -> list[tuple[str, str, int, int, str]]:
    """Acts, oldest first."""
    return [(row.act, row.target, row.matched, row.done, row.result) for row in reversed(admin.audit())]


async def dead(store: Store, sink: str = "app") -> int:
    (lease,) = await store.claim(sink, 1, LEASE)
    await store.settle([settlement(lease, "dead")])
    return lease.delivery


def refusal(body: bytes, source: str = "live") -> Refusal:
    return Refusal(
        source=source,
        code="signature_mismatch",
        detail="auth_sign fits none of the keys",
        received_at=1,
        method="POST",
        path="/hooks/live",
        headers=(("content-type", "application/json"),),
        body=body,
        size=len(body),
        peer="192.0.2.1",
    )
