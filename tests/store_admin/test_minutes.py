"""The counters of minutes: a week of them is read as hours, and nothing is counted twice or lost on the way there."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from gateway.admin.news_exchange import NewsExchange
from gateway.admin.stream import LiveHub
from gateway.runtime.activity import Activity, Count, Counted, CountedKind
from gateway.runtime.clock import FrozenClock
from gateway.store.admin import minutes
from gateway.store.engine.session import Session
from gateway.store.store import Store

NOW = 60 * 24 * 400 + 37  # a minute
WEEK = 7 * 24 * 60


def week(session: Session) -> None:
    """What two gateways counted in a week, a minute of every hour or two."""
    kinds: tuple[CountedKind, ...] = ("source", "verified")
    for owner in ("a", "b"):
        counts = [
            Counted(minute, kind, "live", Count(total=3, good=2, bad=1, dead=1, last_at=minute * 60_000, spread=[1, 2]))
            for minute in range(NOW - WEEK, NOW, 45)
            for kind in kinds
        ]
        minutes.write_minutes(session, counts, owner)


def seen(session: Session) -> object:
    first = (NOW - WEEK) // 60 + 1
    return (
        minutes.sums(session, first * 60, 60),
        minutes.sums(session, (NOW - 24 * 60) // 10 * 10, 10),
        minutes.verified(session, first * 60),
        minutes.spreads(session, NOW - 59),
    )


def fold_all(session: Session) -> int:
    folded = 0
    while minutes.fold(session, NOW):
        folded += 1
    return folded


@pytest.mark.whole_server
async def test_what_is_older_than_a_day_is_an_hour_a_row_and_every_sum_stays(store: Store) -> None:
    await store.write(week)
    before = await store.ask(seen)
    assert await store.write(fold_all) == 6 * 24 - 1
    assert await store.ask(seen) == before
    ((rows,),) = await store.ask(lambda session: session.rows("SELECT count(*) FROM minutes WHERE owner = ''"))
    assert rows == (6 * 24 - 1) * 2
    assert await store.write(fold_all) == 0


async def test_a_gateway_that_counts_late_is_added_to_the_hour(store: Store) -> None:
    await store.write(week)
    await store.write(fold_all)
    before = sum(row.total for row in await store.ask(lambda session: minutes.sums(session, NOW - WEEK, 60)))
    late = Counted(NOW - 3 * 24 * 60, "source", "live", Count(total=5, good=5, last_at=1))
    await store.write(lambda session: minutes.write_minutes(session, [late], "c"))
    assert await store.write(fold_all) == 1
    assert (
        sum(row.total for row in await store.ask(lambda session: minutes.sums(session, NOW - WEEK, 60))) == before + 5
    )


async def test_two_gateways_that_fold_at_once_count_once(store: Store, url: str) -> None:
    await store.write(week)
    before = await store.ask(seen)
    if url.startswith("sqlite"):  # one gateway holds the file; its writes come one after another
        await asyncio.gather(*(store.write(fold_all) for _ in range(2)))
    else:
        other = Store(url)
        await other.open(lock_wait=0)
        try:
            await asyncio.gather(store.write(fold_all), other.write(fold_all))
        finally:
            await other.close()
    assert await store.ask(seen) == before


async def test_a_gateway_folds_by_itself(store: Store, clock: FrozenClock) -> None:
    now = clock.ms() // 60_000
    old = [Counted(now - back, "source", "live", Count(total=1, good=1, last_at=1)) for back in range(1600, 1700)]
    await store.write(lambda session: minutes.write_minutes(session, old, "a"))
    teller = NewsExchange(store, SimpleNamespace(activity=Activity(clock)), LiveHub(), clock)
    await teller.close()  # it has not begun
    teller.start()
    try:
        while await store.ask(lambda session: session.rows("SELECT 1 FROM minutes WHERE owner = 'a' LIMIT 1")):
            await asyncio.sleep(0)
    finally:
        await teller.close()
    assert sum(row.total for row in await store.ask(lambda session: minutes.sums(session, 0, 60))) == 100
