"""One rate a sink however many gateways share the store: their shares never sum to more, in any window."""

from __future__ import annotations

from functools import partial
from random import Random

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.outbox.rates import HOLD_MS, RateUse
from gateway.store.store import Store
from tests.store.conftest import Opener
from tests.store.faults import on_writer
from tests.store.kit import table

MINUTE = 60_000


@pytest.fixture
def gateways(open_at: Opener, postgres_url: str) -> Opener:
    """Opens one more gateway of a shared store."""
    return partial(open_at, url=postgres_url)


def use(count: int = 20, spent: int = 0, sink: str = "chat", window: int = MINUTE) -> RateUse:
    return RateUse(sink, count, window, spent)


async def share(store: Store, *, count: int = 20, spent: int = 0) -> int:
    return (await store.share_rates([use(count, spent)]))["chat"]


async def test_a_gateway_that_is_alone_has_the_whole_rate_at_once(gateways: Opener, clock: FrozenClock) -> None:
    store = await gateways(owner="a")
    for spent in (0, 20, 3):
        assert await share(store, spent=spent) == 20
        clock.advance(2)


async def test_a_gateway_on_a_file_of_its_own_never_asks(open_at: Opener, tmp_path: object) -> None:
    store = await open_at(url=f"sqlite:///{tmp_path}/g.db")
    assert not store.shared


async def test_the_second_gets_its_half_without_a_window_that_sees_more(gateways: Opener, clock: FrozenClock) -> None:
    first, second = await gateways(owner="a"), await gateways(owner="b")
    assert await share(first) == 20
    assert await share(second) == 0
    assert await share(first, spent=20) == 10  # ten of what it spent are nobody's for a window
    assert await share(second) == 0
    for _ in range(31):
        clock.advance(2)
        await share(first)
        await share(second)
    assert (await share(first), await share(second)) == (10, 10)


async def test_what_was_not_spent_changes_hands_at_once(gateways: Opener, clock: FrozenClock) -> None:
    first, second = await gateways(owner="a"), await gateways(owner="b")
    await share(first)
    await share(second)
    assert await share(first, spent=4) == 10
    assert await share(second) == 10


async def test_a_rate_smaller_than_the_number_of_gateways_is_somebodys(gateways: Opener, clock: FrozenClock) -> None:
    stores = [await gateways(owner=name) for name in "abc"]
    for _ in range(3):
        found = [await share(store, count=1) for store in stores]
    assert found == [1, 0, 0]


async def test_the_share_of_a_gateway_that_died_is_free_when_its_last_window_is_over(
    gateways: Opener, clock: FrozenClock
) -> None:
    first, second = await gateways(owner="a"), await gateways(owner="b")
    await share(first)
    await share(second)
    assert (await share(first), await share(second)) == (10, 10)
    clock.advance(HOLD_MS / 1000 + 59)
    assert await share(second) == 10
    clock.advance(1)
    assert await share(second) == 20


async def test_a_gateway_that_ends_leaves_what_it_did_not_spend(gateways: Opener, clock: FrozenClock) -> None:
    first, second = await gateways(owner="a"), await gateways(owner="b")
    for _ in range(2):
        await share(first)
        await share(second)
    await first.leave_rates([use(spent=4)])
    assert await share(second) == 16
    clock.advance(61)
    assert await share(second) == 20


async def test_a_start_after_an_orderly_stop_remembers_the_window_before_it(gateways: Opener) -> None:
    first = await gateways(owner="a")
    await share(first)
    await first.leave_rates([use(spent=15)])
    assert await share(await gateways(owner="a2")) == 5


async def test_sinks_do_not_touch_each_other_and_old_rows_go(
    gateways: Opener, postgres_url: str, clock: FrozenClock
) -> None:
    store = await gateways(owner="a")
    found = await store.share_rates([use(5, sink="one"), use(7, sink="two", window=1000)])
    assert found == {"one": 5, "two": 7}
    clock.advance(120)
    await store.share_rates([use(5, sink="one")])
    assert table(postgres_url, "sink, tokens", "rates") == [("one", 5)]


async def test_a_clock_that_is_set_back_holds_no_share(gateways: Opener, clock: FrozenClock) -> None:
    first, second = await gateways(owner="a"), await gateways(owner="b")
    await share(first)
    await share(second)
    await share(first)
    for store in (first, second):
        await on_writer(store, lambda _: None)
    clock.jump(-86_400)
    clock.advance(HOLD_MS / 1000 + 61)
    await on_writer(second, lambda _: None)
    assert await share(second) == 20


async def test_no_window_ever_sees_more_than_the_rate_whoever_comes_and_goes(
    gateways: Opener, clock: FrozenClock
) -> None:
    rng = Random(7)
    window, count = 8.0, 9
    sent: list[float] = []
    live: dict[str, tuple[Store, int, float]] = {}  # gateway -> share, and how long it may be used
    mine: dict[str, list[float]] = {}
    stores: dict[str, Store] = {}
    for turn in range(160):
        clock.advance(rng.choice((0.1, 1.0, 2.0)))
        now = clock.monotonic()
        name = rng.choice("abc")
        if name not in stores:
            stores[name] = await gateways(owner=name)
        spent = [at for at in mine.get(name, []) if at > now - window]
        act = rng.random()
        if act < 0.05 and name in live:
            await stores[name].leave_rates([RateUse("chat", count, int(window * 1000), len(spent))])
            live.pop(name)
            mine.pop(name, None)
        elif act < 0.10:
            live.pop(name, None)  # it hangs, or died
        else:
            found = await stores[name].share_rates([RateUse("chat", count, int(window * 1000), len(spent))])
            live[name] = (stores[name], found["chat"], now + HOLD_MS / 1000)
        for whose, (_, tokens, until) in live.items():
            used = [at for at in mine.get(whose, []) if at > now - window]
            room = tokens - len(used) if now < until else 0
            for _ in range(rng.randint(0, max(room, 0))):
                mine.setdefault(whose, []).append(now)
                sent.append(now)
        assert sum(1 for at in sent if at > now - window) <= count, turn
    assert len(sent) > 60
