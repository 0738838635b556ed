"""Outcomes that are written together say what each would by itself."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model import Outcome
from gateway.runtime.clock import FrozenClock
from gateway.store.engine.cipher import is_encrypted
from gateway.store.records import Lease, Settlement
from gateway.store.store import Store
from tests.store.kit import LEASE, new, settlement, table, take

HALF = 12
ROW = """state, rank, token, attempts, round, due_at, since_at, first_at, stalled, replay, owner, weak, memo, reason, note, last_error,
  losses, lone_losses"""


def mixed_settlement(lease: Lease, number: int) -> Settlement:
    """As nearly all end, and as few do: another receipt, none, a retry, a refusal, one under a token that is not the lease's."""
    match number:
        case 7:
            return settlement(lease, detail="another receipt")
        case 8:
            return settlement(lease, detail="")
        case 9:
            return settlement(lease, "waiting", delay=1_000, memo={"at": 3}, burnt=False)
        case 10:
            return settlement(lease, "dead", detail="no")
        case 11:
            return settlement((lease.delivery, lease.token + 1), detail="of nobody's lease")
    return settlement(lease, detail="HTTP 200", outcome=Outcome.DELIVERED)


def without_nonces(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """With `--encrypted` no two values look alike, but those of one length are of one length."""
    return tuple(len(one) if isinstance(one, str) and is_encrypted(one) else one for one in row)


@pytest.mark.parametrize("tried", [False, True])
async def test_outcomes_written_together_are_as_each_written_alone(
    store: Store, url: str, clock: FrozenClock, tried: bool
) -> None:
    await take(store, *[new(n, "app") for n in range(2 * HALF)])
    leases = await store.claim("app", 2 * HALF, LEASE)
    if tried:  # something to be taken away, and something to be kept
        await store.settle([settlement(one, "waiting", detail="not yet", memo={"at": 1}) for one in leases])
        leases = await store.claim("app", 2 * HALF, LEASE)
    leases = sorted(leases, key=lambda lease: lease.delivery)
    assert len(leases) == 2 * HALF
    clock.advance(2)
    together = await store.settle([mixed_settlement(lease, number) for number, lease in enumerate(leases[:HALF])])
    alone = [(await store.settle([mixed_settlement(lease, number)]))[0] for number, lease in enumerate(leases[HALF:])]
    assert together == alone == [True] * 11 + [False]
    rows = [without_nonces(row) for row in table(url, ROW, "deliveries", "id")]
    assert rows[:HALF] == rows[HALF:]
    tries = table(url, "delivery, token, started_at, took_ms, outcome, status, detail", "attempts", "delivery, token")
    middle = len(tries) // 2
    assert [one[1:] for one in tries[:middle]] == [one[1:] for one in tries[middle:]]
