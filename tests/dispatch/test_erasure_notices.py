"""What people erased is told to every sink that wants to know: each gateway's, all of it, until it was taken."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from gateway.dispatch.erasure_notices import RETRY_SECONDS
from gateway.errors import Unavailable
from gateway.model import Erased
from gateway.store.admin.admin import StoreAdmin
from tests.patience import eventually

from .conftest import House, Scripted
from .test_shared_store import Pair, pair  # noqa: F401  a fixture


class Keeping(Scripted):
    """Keeps what it was told, but for the first times, when it cannot."""

    def __init__(self, name: str = "app", failures: int = 0) -> None:
        super().__init__(name)
        self.failures = failures
        self.told: list[str] = []

    async def erased(self, events: Sequence[Erased]) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the folder is not there")
        self.told += [event.ref for event in events]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = await House(f"sqlite:///{tmp_path}/store.db", Keeping("good"), Keeping("bad", failures=2)).open()
    yield made
    await made.close()


async def test_two_gateways_both_tell_their_sinks_and_one_that_starts_later_tells_all_again(
    pair: Pair,  # noqa: F811
) -> None:
    one, two, three = Keeping(), Keeping(), Keeping()
    first = await pair.add(one, Scripted("plain"))
    await pair.add(two)
    ids = await first.fill(5)
    with StoreAdmin(pair.url) as admin:
        admin.erase(ids[:2])
        await eventually(lambda: one.told == two.told == ids[:2])
        admin.erase(ids[2:3])
    await eventually(lambda: one.told == two.told == ids[:3])
    await pair.add(three)
    await eventually(lambda: three.told == ids[:3])


async def test_a_sink_that_cannot_let_go_is_asked_again_and_keeps_no_other_from_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.outbox.erasures.PAGE_ROWS_MAX", 2)
    ids = await house.fill(5)
    with StoreAdmin(f"sqlite:///{house.file}", clock=house.clock) as admin:
        admin.erase(ids)
    await house.later(3)
    good, bad = house.sinks["good"], house.sinks["bad"]
    assert isinstance(good, Keeping)
    assert isinstance(bad, Keeping)
    assert (good.told, bad.told, bad.failures) == (ids, [], 1)
    await house.later(RETRY_SECONDS * 2 + 2)
    assert bad.told == ids


async def test_what_was_erased_long_ago_is_told_no_more(house: House) -> None:
    ids = await house.fill(1)
    with StoreAdmin(f"sqlite:///{house.file}", clock=house.clock) as admin:
        admin.erase(ids)
    assert [row.ref for row in await house.store.erasures(0)] == ids
    house.clock.advance(31 * 86400)
    await house.store.sweep()
    assert await house.store.erasures(0) == []
