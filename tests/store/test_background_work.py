"""Background work gives way, comes alone behind a batch, and waits for no longer than a moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.store.engine import write_queue
from gateway.store.engine.batch import Bulk
from tests.store.conftest import Opener
from tests.store.faults import held_up
from tests.store.kit import new, table, take


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
async def test_what_is_to_be_done_apart_is_outside_of_a_transaction_whoever_comes_with_it(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    store = await opened()
    assert await store._writer.put_background(lambda session: session.under_way)
    assert not await store._writer.put_background(lambda session: session.under_way, apart=True)
    monkeypatch.setattr(write_queue, "BACKGROUND_SECONDS", 0.0)
    with held_up(store):
        apart = store._writer.put_background(lambda session: session.under_way, apart=True)
        others = store.accept([new(1)]), store._writer.enqueue(lambda session: session.under_way)
    accepted, under_way = await asyncio.gather(*others)
    assert (len(accepted), under_way, await apart) == (1, True, False)


async def test_background_work_waits_for_an_empty_queue_but_no_longer_than_a_moment(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    store = await opened()
    order: list[str] = []
    with held_up(store):
        behind = store._writer.put_background(lambda _: order.append("background"))
        await asyncio.sleep(0)
        first = store._writer.enqueue(lambda _: order.append("item"))
    await asyncio.gather(first, behind)
    assert order[0] == "item"
    monkeypatch.setattr(write_queue, "BACKGROUND_SECONDS", 0.0)
    with held_up(store):
        behind = store._writer.put_background(lambda _: None)
        first = store._writer.enqueue(lambda _: None)
    await asyncio.gather(behind, first)


async def test_background_work_begins_when_the_batch_before_it_is_committed(
    opened: Opener, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    commits: list[int] = []
    store = await opened(observe=lambda items, _seconds: commits.append(items))
    monkeypatch.setattr(write_queue, "BACKGROUND_SECONDS", 0.0)
    with held_up(store):
        behind = store._writer.put_background(lambda _: len(table(url, "id", "events")))
        accepts = [store.accept([new(n)]) for n in range(8)]
    await asyncio.gather(*accepts)
    assert await behind == 8, "whoever was accepted with it has no longer waited for it"
    assert commits[-2:] == [8, 1]


async def test_where_files_lie_is_noted_in_small_steps(
    opened: Opener, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await opened()
    step = store._backend.step_rows
    await take(store, *(new(n) for n in range(2 * step + 1)))
    steps: list[object] = []
    put = store._writer.put_background

    def counted(work: Callable[[Bulk], object]) -> asyncio.Future[object]:
        steps.append(work)
        return put(work)

    monkeypatch.setattr(store._writer, "put_background", counted)
    await store.note_places("live")
    assert len(steps) == 3
