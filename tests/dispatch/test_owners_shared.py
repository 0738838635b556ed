"""Owners of two gateways on one PostgreSQL: each finds out for itself who is broken, and nobody's queue is walked twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from gateway.errors import Unavailable
from gateway.runtime.clock import Clock
from gateway.store.records import Rank
from tests.patience import eventually
from tests.store.kit import table

from .conftest import House, raising
from .owned import Owned, of, owned_policy


@pytest.fixture
async def houses(postgres_url: str) -> AsyncIterator[list[House]]:
    made = []
    for _ in range(2):
        sink = Owned(bad=raising(lambda: Unavailable("revoked")))
        house = House(postgres_url, sink, clock=Clock(), app=owned_policy(["bad", "good"]))  # type: ignore[arg-type]
        made.append(await house.open())
    yield made
    for house in made:
        await house.close(0.05)


@pytest.mark.slow
async def test_a_broken_owner_costs_each_gateway_an_attempt_or_two_and_his_rows_wait_in_one_queue(
    houses: list[House], postgres_url: str
) -> None:
    sinks = [house.sinks["app"] for house in houses]
    assert all(isinstance(sink, Owned) for sink in sinks)
    owned = [sink for sink in sinks if isinstance(sink, Owned)]

    def to(name: str) -> list[str]:
        return [id_ for sink in owned for id_ in sink.to(name)]

    for start in range(0, 60, 10):
        await houses[start // 10 % 2].put(
            *of("bad", *range(start, start + 10)), *of("good", *range(100 + start, 110 + start))
        )
    await eventually(lambda: len(set(to("good"))) == 60)
    await eventually(
        lambda: len([1 for (rank,) in table(postgres_url, "rank", "deliveries") if rank == Rank.BEHIND]) >= 55
    )
    assert len(to("bad")) <= 8
    for sink in owned:
        sink.scripts.clear()
    await eventually(lambda: {state for (state,) in table(postgres_url, "state", "deliveries")} == {"delivered"})
    assert set(Counter(to("good")).values()) == {1}
    assert len(set(to("bad"))) == 60
    assert sum(Counter(to("bad")).values()) <= 60 + 12
