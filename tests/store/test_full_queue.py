"""A queue that is long, heavy or old refuses what comes and never what is to be settled."""

from __future__ import annotations

import asyncio

import pytest

from gateway.errors import StoreBusy
from gateway.store.engine import write_queue
from gateway.store.store import Store
from tests.store.faults import held_up
from tests.store.kit import LEASE, event, new, settlement, table, take

# -- back-pressure --------------------------------------------------------------------------------------------------


async def test_a_long_queue_refuses_accepts_and_never_settles(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (answer,) = await take(store, new(1000, "app", lease=LEASE))
    monkeypatch.setattr(write_queue, "QUEUE_ITEMS_MAX", 5)
    with held_up(store):
        futures = [store.accept([new(n)]) for n in range(5)]
        with pytest.raises(StoreBusy, match="5 writes") as busy:
            store.accept([new(9)])
        settled = store.settle([settlement(answer.leases[0])])
    assert busy.value.retry_after >= 1
    assert await settled == [True]
    await asyncio.gather(*futures)
    assert (await take(store, new(9)))[0].new


async def test_a_heavy_queue_refuses_accepts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_queue, "QUEUE_BYTES_MAX", 10_000)
    with held_up(store):
        future = store.accept([new(event(1, raw=b"x" * 20_000))])
        with pytest.raises(StoreBusy, match="bytes wait"):
            store.accept([new(2)])
    await future


async def test_an_old_queue_refuses_accepts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with held_up(store):
        future = store.accept([new(1)])
        monkeypatch.setattr(write_queue, "QUEUE_SECONDS_MAX", 0.0)
        with pytest.raises(StoreBusy, match="oldest write has waited"):
            store.accept([new(2)])
    await future


async def test_refused_callbacks_are_dropped_when_the_queue_is_long(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "QUEUE_REFUSALS_MAX", 1)
    with held_up(store):
        future = store.accept([new(1)])
        store._writer.put_refusal(lambda session: session.change("DELETE FROM events"))
    await future
    await store.ping()
    assert len(table(url, "id", "events")) == 1
