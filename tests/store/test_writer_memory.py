"""Without memory for a moment the writer goes on, and nobody waits for an answer that was never sent."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from gateway.errors import ItemRefused, StoreUnavailable
from gateway.store.engine import commit_waiters, write_queue
from gateway.store.engine import writer as writing
from gateway.store.engine.batch import Bulk
from gateway.store.engine.commit_waiters import WorkDone
from gateway.store.store import Store
from tests.patience import PATIENCE_S
from tests.store.kit import new, table


@pytest.mark.parametrize(
    ("owner", "name"),
    [(write_queue.Queue, "fill"), (writing.Writer, "_work"), (writing.Writer, "_group_commit"), (writing.Writer, "_resolve"), (writing.Writer, "_maybe_tick")],
    ids=lambda one: getattr(one, "__name__", one),
)  # fmt: skip
@pytest.mark.parametrize("times", [1, 3])
async def test_without_memory_whoever_waits_is_told_and_the_writer_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, times: int
) -> None:
    monkeypatch.setattr(writing, "TICK_SECONDS", 0.01)
    real, failed = getattr(owner, name), []

    def fail(*args: Any) -> Any:
        if len(failed) < times:
            failed.append(name)
            raise MemoryError
        return real(*args)

    await store.ping()
    monkeypatch.setattr(owner, name, fail)
    for number in range(times + 1):
        with suppress(StoreUnavailable):
            async with asyncio.timeout(PATIENCE_S):
                await store.accept([new(number)])
    assert len(failed) == times
    await store.ping()
    assert store.healthy()


async def test_without_memory_nothing_is_refused_for_ever(store: Store) -> None:
    await store.ping()

    def begun(_: Bulk) -> None:
        raise MemoryError

    with pytest.raises(StoreUnavailable):
        await store.write(begun)
    [accepted] = await store.accept([new(1)])
    assert accepted.new
    assert store.healthy()


async def test_a_transaction_that_could_not_be_rolled_back_takes_in_nothing_that_comes_later(
    store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be acknowledged, and gone with the process."""
    await store.ping()
    session = store._writer._link.session
    assert session is not None

    def fail(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(type(session), "rollback", fail)

        def begun(session: Bulk) -> None:
            with session.atomic():
                session.change("INSERT INTO meta (name, value) VALUES ('begun', '1')")
                raise MemoryError

        with pytest.raises((ItemRefused, StoreUnavailable)):
            await store.write(begun)
    (accepted,) = await store.accept([new(1)])
    assert accepted.new
    assert table(url, "id", "events") == [(new(1).event.id,)]
    assert table(url, "value", "meta WHERE name = 'begun'") == []


async def test_one_that_cannot_be_told_keeps_the_answer_from_no_other() -> None:
    class Deaf:
        def done(self) -> bool:
            return False

        def set_result(self, _answer: object) -> None:
            raise MemoryError

        def set_exception(self, _error: BaseException) -> None:
            raise MemoryError

    heard: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    with pytest.raises(MemoryError):
        commit_waiters.resolve_all([WorkDone(Deaf(), 1), WorkDone(heard, 2)])
    assert heard.result() == 2


async def test_what_there_was_no_memory_to_tell_is_told_with_the_next_or_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    answers, failed = commit_waiters.Answers(), []
    real = commit_waiters.resolve_all

    def fail(waiting: Any) -> None:
        if not failed:
            failed.append(waiting)
            raise MemoryError
        real(waiting)

    monkeypatch.setattr(commit_waiters, "resolve_all", fail)
    for again in (lambda: answers.resolve(loop, []), lambda: answers.remind(loop)):
        failed.clear()
        first: asyncio.Future[object] = loop.create_future()
        answers.resolve(loop, [WorkDone(first, 1)])
        while not failed:
            await asyncio.sleep(0)
        assert not first.done()
        again()
        async with asyncio.timeout(PATIENCE_S):
            assert await first == 1
    loop.set_exception_handler(None)
