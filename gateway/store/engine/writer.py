"""The one writer: a thread that takes what is there, makes one group commit of it, and answers everyone after it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Final

from gateway.errors import ItemRefused, StoreError, StoreFileGone, StoreUnavailable
from gateway.runtime.lean_imports import import_structlog
from gateway.store.engine.batch import Bulk, Tally
from gateway.store.engine.commit_waiters import Answers, WorkDone, WorkEnd
from gateway.store.engine.queued_items import AcceptItem, CallItem, Item, SettleItem
from gateway.store.engine.reruns import pause, rerun
from gateway.store.engine.session import Trouble
from gateway.store.engine.write_queue import TICK_SECONDS, Queue
from gateway.store.engine.writer_health import WriterHealth
from gateway.store.engine.writer_link import WriterLink
from gateway.store.records import Accepted, NewEvent, Settlement

CALLS_SECONDS: Final = 0.05  # after which claims and the like give way to accepts that came meanwhile
LOOKS_MAX: Final = 3  # more, where something went between two looks, or lies on a damaged page
RERUN_SECONDS: Final = 2.0  # how long a batch whose commit may have happened looks for a connection to be run again

log = import_structlog().get_logger("gateway.store")


class Writer:
    """A thread with one connection and one first-in, first-out queue.

    `connect` opens a session; `accept` and `settle` do all that a batch has of it at once, and answer in the order of what
    they are given; `before` is called before each
    batch, `tick` about four times a second between them; `counted` and `observe` hear of each commit before its waiters do, `after` when they
    were answered, `farewell` of the end. All on the writer's thread.
    """

    def __init__(
        self,
        connect: Callable[[], Bulk],
        accept: Callable[[Bulk, Sequence[Sequence[NewEvent]]], Sequence[Sequence[Accepted]]],
        settle: Callable[[Bulk, Sequence[Sequence[Settlement]]], Sequence[Sequence[bool]]],
        *,
        before: Callable[[Bulk], object] = lambda _: None,
        tick: Callable[[Bulk], None] = lambda _: None,
        counted: Callable[[Tally], None] = lambda _: None,
        after: Callable[[Bulk], None] = lambda _: None,
        farewell: Callable[[Bulk], None] = lambda _: None,
        observe: Callable[[int, float], None] = lambda _items, _seconds: None,
    ) -> None:
        self._health = WriterHealth()
        self._accept = accept
        self._settle = settle
        self._before = before
        self._tick = tick
        self._counted = counted
        self._after = after
        self._farewell = farewell
        self._observe = observe
        self._queue = Queue(self._health.unanswered)
        self.enqueue = self._queue.enqueue  # these three by the loop: the future is resolved after the commit
        self.enqueue_accept = self._queue.enqueue_accept
        self.enqueue_settles = self._queue.enqueue_settles
        self.accepted_within = self._queue.accepted_within  # so many seconds
        self.expect_accepts = self._queue.expect_accepts
        self.put_accepts = self._queue.put_accepts
        self.put_background = self._queue.put_background
        self.put_refusal = self._queue.put_refusal
        self._link = WriterLink(connect, lambda: self._queue.closing)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._batch: list[Item] = []  # the thread's own: one list for ever, and what is in it was not answered yet
        self._goes_on = True
        self._answers = Answers()
        self._next_tick = 0.0

    @property
    def healthy(self) -> bool:
        """Whether the last commit worked, and the last accept."""
        return self._health.well

    @property
    def refusing(self) -> bool:
        """Whether the last accept failed."""
        return self._health.refusing

    @property
    def busy(self) -> bool:
        """Whether an accept would be refused because the queue is long."""
        return self._queue.busy

    @property
    def accepts_wait(self) -> bool:
        """Whether an accept is queued."""
        return self._queue.accepts_wait

    # -- the loop's side

    def accepts_again(self) -> None:
        """Something as large as an accept was written to try it, and worked."""
        self._health.refusing = False

    def start(self, session: Bulk) -> None:
        """Begin, with a session that was opened and prepared already."""
        self._loop = asyncio.get_running_loop()
        self._link.session = session
        self._health.committed = True
        self._queue.open(self._loop)
        self._thread = threading.Thread(target=self._write_until_closed, name="store-writer", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Do what is queued, then end the thread and close the session."""
        self._queue.close()
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
            self._thread = None

    # -- the thread's side

    def _write_until_closed(self) -> None:
        while self._goes_on or self._batch:
            try:
                self._write_once()
            except Exception:  # noqa: S112  what was to be done about a failure failed too, and a line would need memory
                continue
        if self._link.session is not None:
            self._farewell(self._link.session)
            self._link.session.close()
            self._link.session = None

    def _write_once(self) -> None:
        """Take what is there and do it; the queue must not wait for a thread that died of a bug of ours, or without memory."""
        batch = self._batch
        try:
            if batch:
                raise MemoryError  # whoever waits for it was not told that it failed
            self._goes_on = self._queue.fill(batch)
            if batch:
                self._work(batch)
                batch.clear()
            if self._goes_on:
                self._maybe_tick()
        except Exception as error:
            self._tell_lost(batch, error)
            batch.clear()

    def _tell_lost(self, batch: list[Item], error: Exception) -> None:
        """Nobody may wait for an answer that was never sent: without memory they are told when there is some again."""
        self._health.committed = False
        while True:
            try:
                log.error("store_writer_failed", exc_info=error)
                lost = StoreUnavailable(f"the store's writer failed: {type(error).__name__}")
                self._resolve([item.failed(lost) for item in batch])
                return
            except MemoryError:
                time.sleep(TICK_SECONDS)

    def _maybe_tick(self) -> None:
        now = time.monotonic()
        if now < self._next_tick:
            return
        if self._loop is not None:
            self._answers.remind(self._loop)
        if self._link.session is None:
            return
        self._next_tick = now + TICK_SECONDS
        self._aside(self._tick)

    def _aside(self, work: Callable[[Bulk], object]) -> None:
        """Something that nobody waits for: what is wrong with the connection is the next batch's to find."""
        if self._link.session is None:
            return
        try:
            rerun(self._link.session, partial(work, self._link.session))
        except StoreFileGone as error:
            self._health.unwell(error, str(error))
        except Exception as error:
            if self._link.session.trouble(error) is Trouble.BUG:
                log.exception("store_tick_failed")

    def _work(self, batch: list[Item]) -> None:
        self._aside(self._before)
        units = self._units(batch)
        began = time.monotonic()
        calls = 0
        for n, unit in enumerate(units):
            if isinstance(unit[0], CallItem):
                calls += 1
                if calls > 1 and time.monotonic() - began >= CALLS_SECONDS and self._queue.accepts_wait:
                    self._queue.put_back([item for later in units[n:] for item in later])
                    return
            self._resolve(self._group_commit(unit))
            if self._link.session is not None:
                self._after(self._link.session)
            self._maybe_tick()  # a long batch must not make its sign of life late

    def _units(self, batch: list[Item]) -> Sequence[list[Item]]:
        """What is committed together: everything, or one kind of work at a time."""
        if self._link.session is not None and self._link.session.one_transaction:
            return [batch]
        accepts: list[Item] = [item for item in batch if isinstance(item, AcceptItem)]
        settles: list[Item] = [item for item in batch if isinstance(item, SettleItem)]
        calls: list[list[Item]] = [[item] for item in batch if isinstance(item, CallItem)]
        return [unit for unit in (accepts, settles, *calls) if unit]

    def _group_commit(self, unit: list[Item]) -> Sequence[WorkEnd]:
        """Run and commit a unit; what came of each item. Never raises."""
        again = reruns = 0
        rerun_until: float | None = None
        while True:
            try:
                session = self._link.connected(rerun_until)
            except StoreUnavailable as error:
                self._health.failing(accept=_has_accept(unit))
                return [item.failed(error) for item in unit]
            started = time.perf_counter()
            try:
                with session.atomic() if session.one_transaction and not _is_apart(unit[0]) else nullcontext():
                    done = self._perform(session, unit)
            except BaseException as error:
                trouble = _trouble(session, error)
                if trouble is Trouble.AGAIN and pause(reruns := reruns + 1, error):
                    continue
                if trouble in (Trouble.GONE, Trouble.DAMAGED) and again < LOOKS_MAX:
                    again += 1
                    continue
                if trouble is Trouble.LOST:
                    self._link.drop()
                    if rerun_until is None:
                        # The commit may have happened. The same work once more is safe: an accept then finds its
                        # events, a settle its attempt.
                        rerun_until = time.monotonic() + RERUN_SECONDS
                        continue
                return self._failed(session, unit, error, trouble)
            self._health.committed = True
            if self._health.refusing and _has_accept(unit):
                self._health.refusing = False
            self._counted(session.tally)
            self._observe(len(unit), time.perf_counter() - started)
            return done

    def _perform(self, session: Bulk, unit: list[Item]) -> Sequence[WorkEnd]:
        session.tally = Tally()
        accepts = [item.work for item in unit if isinstance(item, AcceptItem)]
        settles = [item.work for item in unit if isinstance(item, SettleItem)]
        accepted = iter(self._accept(session, accepts) if accepts else ())
        settled = iter(self._settle(session, settles) if settles else ())
        done: list[WorkEnd] = []
        for item in unit:
            if isinstance(item, AcceptItem):
                done.append(WorkDone(item.waiter, next(accepted)))
            elif isinstance(item, SettleItem):
                done.append(WorkDone(item.waiter, next(settled)))
            elif isinstance(item, CallItem):
                done.append(item.done(session))
        return done

    def _failed(self, session: Bulk, unit: list[Item], error: BaseException, trouble: Trouble) -> Sequence[WorkEnd]:
        if trouble in (Trouble.ITEM, Trouble.GONE, Trouble.DAMAGED, Trouble.BUG):
            if len(unit) > 1:
                # One of them is bad: each alone, so that the others are stored.
                return [end for item in unit for end in self._group_commit([item])]
            if isinstance(error, StoreError):
                return [unit[0].failed(error)]
            if trouble is Trouble.DAMAGED:
                self._health.tell_damage(session.explain(error))
                self._health.refusing |= _has_accept(unit)  # until one is seen to work, perhaps none does
            if trouble is Trouble.BUG:
                log.error("store_item_failed", error=type(error).__name__, exc_info=error)
            return [unit[0].failed(ItemRefused(f"the store refused this item for ever: {session.explain(error)}"))]
        text = session.explain(error)
        self._health.unwell(error, text, items=len(unit))
        self._health.failing(accept=_has_accept(unit))
        lost = StoreUnavailable(f"the store did not commit: {text}")
        return [item.failed(lost) for item in unit]

    def _resolve(self, ended: Sequence[WorkEnd]) -> None:
        waiting = [end for end in ended if end.waiter is not None]
        if waiting and self._loop is not None:
            self._answers.resolve(self._loop, waiting)


def _trouble(session: Bulk, error: BaseException) -> Trouble:
    if isinstance(error, StoreFileGone | MemoryError):  # too little memory now says nothing of an item
        return Trouble.STORE
    return Trouble.BUG if isinstance(error, StoreError) else session.trouble(error)


def _has_accept(unit: Sequence[Item]) -> bool:
    return any(isinstance(item, AcceptItem) for item in unit)


def _is_apart(item: Item) -> bool:
    return isinstance(item, CallItem) and item.apart
