"""A batch whose turn comes while the store is away goes when it is there again: whole, once, and with its group alone."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Collection
from typing import Any

import pytest

from gateway.store.records import GroupClaim
from tests.dispatch.conftest import Batching, Build, House, event
from tests.dispatch.test_store_away import Away
from tests.patience import eventually


class GroupsAway(Away):
    def claim_group(
        self, sink: str, most: int, lease: int, window: int, *, running: Collection[int] = ()
    ) -> Future[GroupClaim]:
        self._there()
        return super().claim_group(sink, most, lease, window, running=running)


@pytest.mark.parametrize(
    ("batch", "calls"),
    [({"max": 5, "window": "30s"}, [3]), ({"max": 5, "window": "30s", "group_by": ["stream"]}, [1, 2])],
    ids=["of all", "of a group"],
)
async def test_a_batch_that_could_not_be_claimed_goes_once_the_store_is_there_again(
    build: Build, monkeypatch: pytest.MonkeyPatch, batch: dict[str, Any], calls: list[int]
) -> None:
    monkeypatch.setattr(House, "STORE", GroupsAway)
    sink = Batching()
    house = await build(sink, delivery={"batch": batch})
    await house.put(event(1, stream="a"), event(2, stream="b"), event(3, stream="a"))
    store: Any = house.store
    store.away = True
    await house.later(40)
    assert sink.batches == []
    store.away = False
    await house.later(10)
    await eventually(lambda: house.rows() == ["delivered"] * 3)
    assert sorted(map(len, sink.batches)) == calls
    assert house.rows("attempts") == [1, 1, 1]
