"""What comes together is queued in one go, and each of those who wait is told what came of its own events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.errors import StoreBusy, StoreFull, StoreUnavailable
from gateway.store.engine import write_queue
from gateway.store.engine.commit_waiters import ToldWaiter
from gateway.store.outbox.limits import StoreLimits
from gateway.store.records import Accepted
from gateway.store.store import Store
from tests.patience import PATIENCE_S
from tests.store.conftest import Opener
from tests.store.faults import held_up
from tests.store.kit import event, new, table


class Heard:
    """What everybody was told, by name."""

    def __init__(self) -> None:
        self.answers: dict[str, Sequence[Accepted] | BaseException] = {}
        self._told = asyncio.Event()

    def of(self, name: str) -> ToldWaiter[str]:
        return ToldWaiter(self._tell, name)

    def _tell(self, name: str, answer: Sequence[Accepted], error: BaseException | None) -> None:
        assert name not in self.answers, "told twice"
        self.answers[name] = answer if error is None else error
        self._told.set()

    def new(self, name: str) -> list[bool]:
        """Of its events, which were new."""
        answer = self.answers[name]
        assert not isinstance(answer, BaseException)
        return [one.new for one in answer]

    async def all(self, count: int) -> None:
        while len(self.answers) < count:
            self._told.clear()
            await self._told.wait()


def _together(heard: Heard, *events: Sequence[Any]) -> list[tuple[Sequence[Any], ToldWaiter[str]]]:
    return [(some, heard.of(str(n))) for n, some in enumerate(events)]


async def test_each_is_told_what_came_of_its_own(store: Store, url: str) -> None:
    heard = Heard()
    store.accept_together(_together(heard, [new(1)], [new(2), new(3)], [new(1)]))
    await heard.all(3)
    assert [heard.new(name) for name in "012"] == [[True], [True, True], [False]]
    assert len(table(url, "id", "events")) == 3


async def test_one_that_is_bad_keeps_no_other_out(store: Store) -> None:
    heard = Heard()
    bad = new(2, routing="\ud800")  # a lone surrogate, which no database takes
    store.accept_together(_together(heard, [new(1)], [bad], [new(3)]))
    await heard.all(3)
    assert [type(heard.answers[name]).__name__ for name in "012"] == ["list", "ItemRefused", "list"]


async def test_a_source_without_room_keeps_no_other_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[object] = []

    def check(limits: StoreLimits, sources: Sequence[str] = ()) -> None:
        looks.append(tuple(sources))
        if "a" in sources:
            raise StoreFull("no room for a")

    monkeypatch.setattr(StoreLimits, "check", check)
    heard = Heard()
    both = [[new(event(n, source=source))] for n, source in enumerate("abab")]
    store.accept_together(_together(heard, *both))
    assert {name: type(one) for name, one in heard.answers.items()} == {"0": StoreFull, "2": StoreFull}  # at once
    await heard.all(4)
    assert [heard.new(name) for name in "13"] == [[True], [True]]
    assert looks == [("a",), ("b",)]  # one a source, however many come


async def test_where_the_queue_is_full_those_that_still_find_room_are_stored(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "QUEUE_ITEMS_MAX", 2)
    heard = Heard()
    with held_up(store):
        store.accept_together(_together(heard, [new(1)], [new(2)], [new(3)]))
        assert [type(one) for one in heard.answers.values()] == [StoreBusy]
    await heard.all(3)
    assert [heard.new(name) for name in "01"] == [[True], [True]]


async def test_a_closed_store_says_so_to_everybody(url: str) -> None:
    closed = Store(url)
    heard = Heard()
    closed.accept_together(_together(heard, [new(1)], [new(2)]))
    assert [type(one) for one in heard.answers.values()] == [StoreUnavailable] * 2


async def test_what_comes_together_takes_the_queues_lock_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    heard, entered = Heard(), 0
    ready = store._writer._queue._ready
    enter = type(ready).__enter__

    def counted(condition: Any) -> Any:
        nonlocal entered
        entered += condition is ready
        return enter(condition)

    with held_up(store):
        monkeypatch.setattr(type(ready), "__enter__", counted)
        store.accept_together(_together(heard, *[[new(n)] for n in range(32)]))
        monkeypatch.undo()
    assert entered == 1
    await heard.all(32)


async def test_who_does_not_listen_keeps_nobody_from_hearing(store: Store) -> None:
    heard = Heard()

    def deaf(_: str, answer: Sequence[Accepted], error: BaseException | None) -> None:
        raise RuntimeError("deaf")

    unheard: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: unheard.append(about["exception"]))
    store.accept_together([([new(1)], ToldWaiter(deaf, "0")), ([new(2)], heard.of("1"))])
    await heard.all(1)
    await asyncio.sleep(0)
    assert heard.new("1") == [True]
    assert [str(one) for one in unheard] == ["deaf"]


async def test_accepts_that_are_read_while_others_are_put_share_their_commit(opened: Opener) -> None:
    commits: list[int] = []
    store = await opened(observe=lambda items, _seconds: commits.append(items))
    await store.ping()
    heard = Heard()
    commits.clear()
    store.accept_together(_together(heard, [new(1)], [new(2)]))
    store.expect_accepts()
    asyncio.get_running_loop().call_soon(store.accept_together, [([new(3)], heard.of("late"))])
    await heard.all(3)
    assert commits == [3]


async def test_accepts_that_were_expected_and_never_came_hold_nobody_up(store: Store) -> None:
    store.expect_accepts()
    async with asyncio.timeout(PATIENCE_S):
        assert (await store.accept([new(1)]))[0].new


async def test_once_nothing_came_of_what_was_expected_nobody_waits_for_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "GATHER_SECONDS", 10 * PATIENCE_S)
    store.expect_accepts()
    waiting = store.accept([new(1)])
    await asyncio.sleep(0.05)  # longer than the writer needs where it does not wait
    assert not waiting.done()
    store.accept_together([])
    async with asyncio.timeout(PATIENCE_S):
        assert (await waiting)[0].new


async def test_a_batch_that_is_large_already_is_not_held_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_queue, "GATHER_SECONDS", 10 * PATIENCE_S)
    heard = Heard()
    store.accept_together(_together(heard, *[[new(n)] for n in range(write_queue.GATHER_ITEMS)]))
    store.expect_accepts()
    async with asyncio.timeout(PATIENCE_S):
        await heard.all(write_queue.GATHER_ITEMS)


async def test_a_store_that_closes_gathers_nothing(store: Store, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_queue, "GATHER_SECONDS", 10 * PATIENCE_S)
    store.expect_accepts()
    waiting = store.accept([new(1)])
    async with asyncio.timeout(PATIENCE_S):
        await store.close()
    assert (await waiting)[0].new
    assert len(table(url, "id", "events")) == 1
