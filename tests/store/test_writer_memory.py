"""Without memory for a moment the writer goes on, and nobody waits for an answer that was never sent."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.store.engine import commit_waiters, write_queue
from gateway.store.engine import writer as writing
from gateway.store.store import Store
from tests.patience import PATIENCE_S
from tests.store.kit import new


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


async def test_one_that_cannot_be_told_keeps_the_answer_from_no_other() -> None:
    class Deaf:
        def done(self) -> bool:
            return False

        def set_result(self, _answer: object) -> None:
            raise MemoryError

    heard: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    with pytest.raises(MemoryError):
        commit_waiters.resolve_all([(Deaf(), 1, None), (heard, 2, None)])  # type: ignore[list-item]
    assert heard.result() == 2
