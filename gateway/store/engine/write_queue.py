"""The writer's queue: who waits for what, how much may wait, and what is taken together."""

from __future__ import annotations

import asyncio
import enum
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, TypeVar, overload

import msgspec

from gateway.errors import StoreBusy, StoreError, StoreUnavailable
from gateway.store.engine.batch import Bulk
from gateway.store.engine.commit_waiters import ToldWaiter, Waiter, Waiting, resolve_all
from gateway.store.records import Accepted, NewEvent, Settlement

T = TypeVar("T")
W = TypeVar("W")

COMMIT_ITEMS_MAX: Final = 512  # of one commit
COMMIT_BYTES_MAX: Final = 4 * 1024 * 1024
QUEUE_ITEMS_MAX: Final = 4096  # past any of these three an accept is refused before it queues
QUEUE_BYTES_MAX: Final = 32 * 1024 * 1024
QUEUE_SECONDS_MAX: Final = 5.0
ANSWER_SECONDS: Final = 5.0  # an accept that has waited so long is answered 503, whatever the database does
QUEUE_REFUSALS_MAX: Final = 1024  # past it, refused callbacks are not kept
TICK_SECONDS: Final = 0.25  # how long an empty queue is waited at
BACKGROUND_SECONDS: Final = 0.25  # background work is taken when the queue is empty, or so often under load
CALL_SECONDS_MAX: Final = 0.25  # after which a call of the loop that did not come is made again
NOT_CALLED: Final = float("-inf")


ItemAnswer = tuple[object, BaseException | None]  # what came of an item, or what it failed with


class Kind(enum.Enum):
    """What can be done many at a time; everything else is a plain function of a session (APART: of one without a transaction)."""

    ACCEPT = enum.auto()
    SETTLE = enum.auto()
    CALL = enum.auto()
    APART = enum.auto()


_ACCEPT: Final = Kind.ACCEPT
Work = Callable[[Bulk], object] | Sequence[object]  # of calls; of the other kinds


class Item(msgspec.Struct, eq=False):
    """One piece of work, and who waits for it."""

    kind: Kind
    work: Work
    size: int
    future: Waiter | asyncio.Future[Any] | None
    since: float
    expired: bool = False  # its waiter was told no; what has not begun by then is not begun any more


class Queue:
    """First in, first out, filled by the loop and emptied by the writer's thread."""

    def __init__(self, expired: Callable[[], None] = lambda: None) -> None:
        """`expired` hears, in the loop, that an accept was told no because the database did not answer."""
        self._tell_expired = expired
        self._watched: deque[Item] = deque()  # accepts that wait for an answer, and some that have one; the loop's own
        self._timer: asyncio.TimerHandle | None = None
        self._items: deque[Item] = deque()
        self._background: deque[Item] = deque()
        self._bytes = 0
        self._ready = threading.Condition()
        self._called_at = NOT_CALLED  # monotonic: when the loop was asked to wake the thread at the end of its turn
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

    @overload
    def enqueue(self, kind: Literal[Kind.CALL], work: Callable[[Bulk], T], size: int = 256) -> asyncio.Future[T]: ...
    @overload
    def enqueue(
        self, kind: Literal[Kind.ACCEPT], work: Sequence[NewEvent], size: int = 256
    ) -> asyncio.Future[Sequence[Accepted]]: ...
    @overload
    def enqueue(
        self, kind: Literal[Kind.SETTLE], work: Sequence[Settlement], size: int = 256
    ) -> asyncio.Future[Sequence[bool]]: ...
    def enqueue(self, kind: Kind, work: Work, size: int = 256) -> asyncio.Future[Any]:
        """Queue work; the future is resolved after its commit. Raises StoreBusy (accepts only), StoreUnavailable (closed)."""
        if self._loop is None:
            raise StoreUnavailable("the store is not open")
        now = time.monotonic()
        future: asyncio.Future[Any] = self._loop.create_future()
        with self._ready:
            if self._closing:
                raise StoreUnavailable("the store is closed")
            item = Item(kind, work, size, future, now)
            if kind is Kind.ACCEPT:
                self._check(now)
                self._forget_answered()
                self._watched.append(item)
                self._watch_time()
                self._accepted_at = now
            self._items.append(item)
            self._bytes += size
        self._call_thread(self._loop, now)
        return future

    def put_accepts(self, accepts: Iterable[tuple[Sequence[object], int, ToldWaiter[W]]]) -> None:
        """Queue what came together at once: work, its bytes, and who waits. Where one finds no room, its waiter is told that."""
        refused: list[Waiting] = []
        now = time.monotonic()
        self._forget_answered()
        with self._ready:
            closed = StoreUnavailable("the store is closed") if self._closing or self._loop is None else None
            for work, size, waiter in accepts:
                try:
                    if closed is not None:
                        raise closed
                    self._check(now)
                except StoreError as error:
                    refused.append((waiter, None, error))
                    continue
                item = Item(_ACCEPT, work, size, waiter, now)
                self._watched.append(item)
                self._items.append(item)
                self._bytes += size
                self._accepted_at = now
        self._watch_time()
        if self._loop is not None:
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
        return any(item.kind is Kind.ACCEPT for item in self._items.copy())

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
        while watched and (future := watched[0].future) is not None and future.done():
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
            if item.future is None or item.future.done():
                self._watched.popleft()
            elif item.since + ANSWER_SECONDS <= now:
                self._watched.popleft()
                item.expired = True
                item.future.set_exception(
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
        if self._loop is None:
            raise StoreUnavailable("the store is not open")
        future: asyncio.Future[T] = self._loop.create_future()
        with self._ready:
            if self._closing:
                raise StoreUnavailable("the store is closed")
            self._background.append(Item(Kind.APART if apart else Kind.CALL, work, 0, future, 0.0))
            self._ready.notify()
        return future

    def put_refusal(self, work: Callable[[Bulk], object]) -> None:
        """Queue work that nobody waits for, unless the queue is long."""
        with self._ready:
            if not self._closing and self._loop is not None and len(self._items) < QUEUE_REFUSALS_MAX:
                self._items.append(Item(Kind.CALL, work, 256, None, time.monotonic()))
                self._bytes += 256
                self._ready.notify()

    def fill(self, batch: list[Item]) -> bool:
        """Add what is there, up to the bounds; nothing when it is time to tick. False: it is closed, and nothing was left.

        Background work comes alone, behind a batch: nobody's answer waits for it.
        """
        with self._ready:
            if not (self._items or self._background or self._closing):
                self._ready.wait(TICK_SECONDS)
            now = time.monotonic()
            if self._background and (self._background_next or not self._items):
                self._background_next, self._last_background = False, now
                batch.append(self._background[0])
                self._background.popleft()  # last: it is in the batch, or still here, whatever fails
                return True
            size = 0
            while self._items and len(batch) < COMMIT_ITEMS_MAX and size < COMMIT_BYTES_MAX:
                item = self._items[0]
                if not item.expired:
                    batch.append(item)
                    size += item.size
                self._bytes -= item.size
                self._items.popleft()  # last too
            self._background_next = bool(self._background) and now - self._last_background >= BACKGROUND_SECONDS
            return bool(batch) or not self._closing
