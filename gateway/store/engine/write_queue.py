"""The writer's queue: who waits for what, how much may wait, and what is taken together."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from gateway.errors import StoreBusy, StoreError, StoreUnavailable
from gateway.store.engine.batch import Bulk
from gateway.store.engine.commit_waiters import Waiter, WorkFailed, resolve_all
from gateway.store.engine.queued_items import AcceptItem, CallItem, Item, SettleItem
from gateway.store.records import Accepted, NewEvent, Settlement

T = TypeVar("T")

COMMIT_ITEMS_MAX: Final = 512  # of one commit
COMMIT_BYTES_MAX: Final = 4 * 1024 * 1024
QUEUE_ITEMS_MAX: Final = 4096  # past any of these three an accept is refused before it queues
QUEUE_BYTES_MAX: Final = 32 * 1024 * 1024
QUEUE_SECONDS_MAX: Final = 5.0
ANSWER_SECONDS: Final = 5.0  # an accept that has waited so long is answered 503, whatever the database does
QUEUE_REFUSALS_MAX: Final = 1024  # past it, refused callbacks are not kept
GATHER_ITEMS: Final = 64  # fewer are not taken while the loop is about to put more,
GATHER_SECONDS: Final = 0.002  # but for so long
TICK_SECONDS: Final = 0.25  # how long an empty queue is waited at
BACKGROUND_SECONDS: Final = 0.25  # background work is taken when the queue is empty, or so often under load
CALL_SECONDS_MAX: Final = 0.25  # after which a call of the loop that did not come is made again
NOT_CALLED: Final = float("-inf")


class Queue:
    """First in, first out, filled by the loop and emptied by the writer's thread."""

    def __init__(self, expired: Callable[[], None] = lambda: None) -> None:
        """`expired` hears, in the loop, that an accept was told no because the database did not answer."""
        self._tell_expired = expired
        self._watched: deque[AcceptItem] = (
            deque()
        )  # accepts that wait for an answer, and some that have one; the loop's own
        self._timer: asyncio.TimerHandle | None = None
        self._items: deque[Item] = deque()
        self._background: deque[Item] = deque()
        self._bytes = 0
        self._ready = threading.Condition()
        self._called_at = NOT_CALLED  # monotonic: when the loop was asked to wake the thread at the end of its turn
        self._accepts_come = False  # callbacks were read in this turn of the loop, and are put in the next one
        self._closing = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last_background = 0.0
        self._background_next = False  # it has given way for long enough
        self._accepted_at = float("-inf")  # monotonic: when an accept was put last

    @property
    def closing(self) -> bool:
        """Whether nothing more is taken in."""
        return self._closing

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on work of this loop is taken in."""
        self._loop = loop

    def close(self) -> None:
        """From now on nothing is; what is there will be done."""
        with self._ready:
            self._closing = True
            self._ready.notify()

    def enqueue(self, work: Callable[[Bulk], T], size: int = 256) -> asyncio.Future[T]:
        """Queue a function of a session, and of so many bytes; the future is resolved after its commit. Raises StoreUnavailable (closed)."""
        future: asyncio.Future[T] = self._opened().create_future()
        self._append(CallItem(work=work, size=size, waiter=future, since=time.monotonic()))
        return future

    def enqueue_settles(self, settlements: Sequence[Settlement]) -> asyncio.Future[Sequence[bool]]:
        """Queue outcomes; the future is resolved after their commit. Raises StoreUnavailable (closed)."""
        future: asyncio.Future[Sequence[bool]] = self._opened().create_future()
        size = 256 * len(settlements)
        self._append(SettleItem(work=settlements, size=size, waiter=future, since=time.monotonic()))
        return future

    def enqueue_accept(self, events: Sequence[NewEvent], size: int) -> asyncio.Future[Sequence[Accepted]]:
        """Queue the events of one callback, of so many bytes; the future is resolved after their commit. Raises StoreBusy,
        StoreUnavailable (closed)."""
        future: asyncio.Future[Sequence[Accepted]] = self._opened().create_future()
        self._append(AcceptItem(work=events, size=size, waiter=future, since=time.monotonic()))
        return future

    def _opened(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise StoreUnavailable("the store is not open")
        return self._loop

    def _append(self, item: Item) -> None:
        with self._ready:
            if self._closing:
                raise StoreUnavailable("the store is closed")
            if isinstance(item, AcceptItem):
                self._check(item.since)
                self._forget_answered()
                self._watched.append(item)
                self._watch_time()
                self._accepted_at = item.since
            self._items.append(item)
            self._bytes += item.size
        self._call_thread(self._opened(), item.since)

    def put_accepts(self, accepts: Iterable[tuple[Sequence[NewEvent], int, Waiter[Sequence[Accepted]]]]) -> None:
        """Queue what came together at once: work, its bytes, and who waits. Where one finds no room, its waiter is told that."""
        refused: list[WorkFailed] = []
        now = time.monotonic()
        self._accepts_come = False
        self._forget_answered()
        with self._ready:
            closed = StoreUnavailable("the store is closed") if self._closing or self._loop is None else None
            for work, size, waiter in accepts:
                try:
                    if closed is not None:
                        raise closed
                    self._check(now)
                except StoreError as error:
                    refused.append(WorkFailed(waiter, error))
                    continue
                item = AcceptItem(work=work, size=size, waiter=waiter, since=now)
                self._watched.append(item)
                self._items.append(item)
                self._bytes += size
                self._accepted_at = now
        self._watch_time()
        if self._loop is not None and self._items:
            self._call_thread(self._loop, now)
        resolve_all(refused)

    def _call_thread(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        """Wake it at the end of this turn of the loop, not at once: what the turn brings comes into one commit, and the thread
        does not fight the loop for the interpreter in the middle of it. Never raises: what is queued is queued, and the
        thread looks by itself too. A call that never came, because there was no memory for it, is not waited for."""
        if now - self._called_at > CALL_SECONDS_MAX:
            with suppress(MemoryError):
                loop.call_soon(self._call)
                self._called_at = now

    def expect_accepts(self) -> None:
        """`put_accepts` is called in the loop's next turn, perhaps with nothing: a batch that is taken meanwhile waits a moment for
        it, because one commit costs less than two."""
        self._accepts_come = True

    def _call(self) -> None:
        self._called_at = NOT_CALLED
        with self._ready:
            self._ready.notify()

    @property
    def busy(self) -> bool:
        """Whether an accept would be refused now."""
        try:
            with self._ready:
                self._check(time.monotonic())
        except StoreBusy:
            return True
        return False

    def accepted_within(self, seconds: float) -> bool:
        """Whether an accept came in the last seconds."""
        return time.monotonic() - self._accepted_at < seconds

    @property
    def accepts_wait(self) -> bool:
        """Whether an accept is queued: other work that can wait gives way."""
        return any(isinstance(item, AcceptItem) for item in self._items.copy())

    def put_back(self, items: Sequence[Item]) -> None:
        """What was taken and not begun comes first again."""
        with self._ready:
            now = time.monotonic()
            for item in reversed(items):
                item.since = now
                self._items.appendleft(item)
                self._bytes += item.size

    def _forget_answered(self) -> None:
        watched = self._watched
        while watched and watched[0].waiter.done():
            watched.popleft()

    def _watch_time(self) -> None:
        if self._timer is None and self._watched and self._loop is not None:
            with suppress(MemoryError):  # what is queued is queued; the next one asks for it again
                self._timer = self._loop.call_later(ANSWER_SECONDS, self._expire)

    def _expire(self) -> None:
        """Tell those no who have waited too long. One timer for all, because nearly every accept is answered in time."""
        now = time.monotonic()
        self._timer = None
        while self._watched and self._loop is not None:
            item = self._watched[0]
            if item.waiter.done():
                self._watched.popleft()
            elif item.since + ANSWER_SECONDS <= now:
                self._watched.popleft()
                item.expired = True
                item.waiter.set_exception(
                    StoreUnavailable(
                        f"the store has not answered within {ANSWER_SECONDS:g} s; whether it is stored is not known yet"
                    )
                )
                self._tell_expired()
            else:
                self._timer = self._loop.call_later(item.since + ANSWER_SECONDS - now, self._expire)
                return

    def _check(self, now: float) -> None:
        queue = self._items
        if not queue:
            return
        if len(queue) >= QUEUE_ITEMS_MAX or self._bytes >= QUEUE_BYTES_MAX:
            raise StoreBusy(f"{len(queue)} writes of {self._bytes} bytes wait for the store")
        if now - queue[0].since >= QUEUE_SECONDS_MAX:
            raise StoreBusy(f"the oldest write has waited {now - queue[0].since:.1f} s for the store", retry_after=2)

    def put_background(self, work: Callable[[Bulk], T], *, apart: bool = False) -> asyncio.Future[T]:
        """Queue work that gives way to everything else; `apart`: it is done outside of a transaction. Raises StoreUnavailable
        (closed)."""
        future: asyncio.Future[T] = self._opened().create_future()
        with self._ready:
            if self._closing:
                raise StoreUnavailable("the store is closed")
            self._background.append(CallItem(work=work, size=0, waiter=future, since=0.0, apart=apart))
            self._ready.notify()
        return future

    def put_refusal(self, work: Callable[[Bulk], object]) -> None:
        """Queue work that nobody waits for, unless the queue is long."""
        with self._ready:
            if not self._closing and self._loop is not None and len(self._items) < QUEUE_REFUSALS_MAX:
                self._items.append(CallItem(work=work, size=256, waiter=None, since=time.monotonic()))
                self._bytes += 256
                self._ready.notify()

    def _gather(self) -> None:
        """Wait for what the loop is about to put, as long as this is worth it."""
        until: float | None = None
        while (self._accepts_come or self._called_at != NOT_CALLED) and 0 < len(self._items) < GATHER_ITEMS:
            now = time.monotonic()
            until = until or now + GATHER_SECONDS
            if now >= until or self._closing:
                return
            self._ready.wait(until - now)

    def fill(self, batch: list[Item]) -> bool:
        """Add what is there, up to the bounds; nothing when it is time to tick. False: it is closed, and nothing was left.

        Background work comes alone, behind a batch: nobody's answer waits for it.
        """
        with self._ready:
            if not (self._items or self._background or self._closing):
                self._ready.wait(TICK_SECONDS)
            self._gather()
            now = time.monotonic()
            if self._background and (self._background_next or not self._items):
                self._background_next, self._last_background = False, now
                batch.append(self._background[0])
                self._background.popleft()  # last: it is in the batch, or still here, whatever fails
                return True
            size = 0
            while self._items and len(batch) < COMMIT_ITEMS_MAX and size < COMMIT_BYTES_MAX:
                item = self._items[0]
                if not (isinstance(item, AcceptItem) and item.expired):
                    batch.append(item)
                    size += item.size
                self._bytes -= item.size
                self._items.popleft()  # last too
            self._background_next = bool(self._background) and now - self._last_background >= BACKGROUND_SECONDS
            return bool(batch) or not self._closing
