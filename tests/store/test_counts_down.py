"""Every limit that counts up counts down: what the queue holds, what waits, and how long each ending is kept."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from gateway.errors import ItemRefused, StoreBusy, StoreFull, StoreUnavailable
from gateway.runtime.clock import FrozenClock
from gateway.store.engine import write_queue
from gateway.store.engine.batch import Bulk
from gateway.store.engine.queued_items import CallItem
from gateway.store.store import Keep, Store
from tests.store.conftest import Opener
from tests.store.faults import fail_next, held_up, on_writer
from tests.store.kit import LEASE, event, new, settlement, take
from tests.store.test_keeping import DAY, KEEP, kept
from tests.store.test_writer import broken

_numbers = itertools.count(1000)
BIG = b"x" * 20_000


async def _stored(store: Store) -> None:
    await store.accept([new(event(1, raw=BIG))])


async def _duplicate(store: Store) -> None:
    await take(store, new(event(1, raw=BIG)), new(event(1, raw=BIG)))


async def _refused_before_it_queued(store: Store) -> None:
    with held_up(store):
        first = store.accept([new(event(1, raw=BIG))])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(write_queue, "QUEUE_ITEMS_MAX", 1)
            with pytest.raises(StoreBusy):
                store.accept([new(event(2, raw=BIG))])
    await first


async def _refused_by_the_database(store: Store) -> None:
    bad = new(event(1, raw=BIG), routing="a lone \ud800 surrogate")
    with held_up(store):
        futures = [store.accept([bad]), store.accept([new(event(2, raw=BIG))])]
    found = await asyncio.gather(*futures, return_exceptions=True)
    assert isinstance(found[0], ItemRefused)


async def _commit_failed(store: Store) -> None:
    await fail_next(store, "insert", broken, after=False)
    with pytest.raises(StoreUnavailable):
        await store.accept([new(event(1, raw=BIG))])


async def _writer_failed(store: Store) -> None:
    """A mistake of ours outside of every item."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store._writer, "_units", lambda _: 1 / 0)
        with pytest.raises(StoreUnavailable):
            await store.accept([new(event(1, raw=BIG))])


async def _nobody_waits_any_more(store: Store) -> None:
    with held_up(store):
        future = store.accept([new(event(1, raw=BIG))])
        future.cancel()


async def _not_answered_in_time(store: Store) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write_queue, "ANSWER_SECONDS", 0.05)
        with held_up(store), suppress(StoreUnavailable):
            await store.accept([new(event(1, raw=BIG))])


async def _settled_and_released(store: Store) -> None:
    await take(store, new(next(_numbers), "app"), new(next(_numbers), "app"))
    first, *others = await store.claim("app", 2, LEASE)
    await store.settle([settlement(first)])
    await store.release([(one.delivery, one.token) for one in others])


async def _a_refused_callback(store: Store) -> None:
    store._writer.put_refusal(lambda session: session.rows("SELECT 1"))


async def _a_refused_callback_that_is_dropped(store: Store) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write_queue, "QUEUE_REFUSALS_MAX", 0)
        store._writer.put_refusal(lambda session: session.rows("SELECT 1"))


async def _put_back(store: Store) -> None:
    def again(_session: Bulk) -> None:
        store._writer._queue.put_back(
            [CallItem(work=lambda session: session.rows("SELECT 1"), size=300, waiter=None, since=0.0)]
        )

    await on_writer(store, again)


PATHS: list[Callable[[Store], Awaitable[None]]] = [
    _stored,
    _duplicate,
    _refused_before_it_queued,
    _refused_by_the_database,
    _commit_failed,
    _writer_failed,
    _nobody_waits_any_more,
    _not_answered_in_time,
    _settled_and_released,
    _a_refused_callback,
    _a_refused_callback_that_is_dropped,
    _put_back,
]


@pytest.mark.parametrize("path", PATHS)
async def test_the_queue_gives_its_bytes_back_on_every_way_out(
    opened: Opener, path: Callable[[Store], Awaitable[None]]
) -> None:
    store = await opened()
    for _ in range(3):
        await path(store)
    await store.ping()
    queue = store._writer._queue
    assert queue._bytes == 0
    assert not queue._items
    await store.accept([new(99)])
    assert len(queue._watched) <= 1  # accepts that have their answer are not kept beside it


async def test_what_is_drained_at_the_end_gives_its_bytes_back(opened: Opener) -> None:
    store = await opened()
    with held_up(store):
        futures = [store.accept([new(event(n, raw=BIG))]) for n in range(8)]
        closing = asyncio.create_task(store.close())
        await asyncio.sleep(0)
    await closing
    assert all(not isinstance(one, BaseException) for one in await asyncio.gather(*futures))
    with pytest.raises(StoreUnavailable):
        store.accept([new(event(99, raw=BIG))])
    assert store._writer._queue._bytes == 0


@pytest.mark.parametrize("state", ["delivered", "dead"])
async def test_what_ended_makes_room_below_the_limit_of_waiting(opened: Opener, state: str) -> None:
    store = await opened(keep=Keep(waiting=1))
    for n in range(5):
        await take(store, new(n, "app"))
        with pytest.raises(StoreFull):
            store.accept([new(100 + n, "app")])
        (lease,) = await store.claim("app", 1, LEASE)
        await store.settle([settlement(lease, state)])


@pytest.mark.parametrize(("state", "days"), [("delivered", 7), ("dead", 90)])
async def test_each_ending_is_kept_as_long_as_its_own_setting_from_the_day_it_ended(
    opened: Opener, url: str, clock: FrozenClock, state: str, days: int
) -> None:
    store = await opened(keep=KEEP)
    await take(store, new(1, "app"))
    clock.advance(60 * DAY)
    (lease,) = await store.claim("app", 1, LEASE)
    await store.settle([settlement(lease, state)])
    clock.advance((days - 0.1) * DAY)
    await store.sweep()
    assert kept(url) == [1]
    clock.advance(0.2 * DAY)
    await store.sweep()
    assert kept(url) == []


@pytest.mark.parametrize("states", [("delivered", "dead"), ("dead", "delivered")])
async def test_an_event_with_two_endings_is_kept_as_long_as_the_longer_one(
    opened: Opener, url: str, clock: FrozenClock, states: tuple[str, str]
) -> None:
    store = await opened(keep=KEEP)
    await take(store, new(1, "app", "ops"))
    for sink, state in zip(("app", "ops"), states, strict=True):
        (lease,) = await store.claim(sink, 1, LEASE)
        await store.settle([settlement(lease, state)])
    clock.advance(89 * DAY)
    await store.sweep()
    assert kept(url) == [1]
    clock.advance(2 * DAY)
    await store.sweep()
    assert kept(url) == []
