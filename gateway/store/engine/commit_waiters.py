"""Who waits for a piece of the store's work, and how they are told in the loop what came of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from gateway.runtime.lean_imports import import_structlog
from gateway.store.records import Accepted

log = import_structlog().get_logger("gateway.store")


class Waiter(Protocol):
    """Hears once, in the loop, what came of a piece of work: a future, or a `ToldWaiter`."""

    def done(self) -> bool: ...
    def set_result(self, answer: object, /) -> None: ...
    def set_exception(self, error: BaseException, /) -> None: ...


W = TypeVar("W")


class ToldWaiter(msgspec.Struct, Generic[W], eq=False):
    """For an accept: has `tell` called with `about`, what became of the events, and what it failed with. It costs less than a future, whose callback
    is a turn of the loop away."""

    tell: Callable[[W, Sequence[Accepted], BaseException | None], None]
    about: W
    is_told: bool = False

    def done(self) -> bool:
        """Whether it was told."""
        return self.is_told

    def set_result(self, answer: object, /) -> None:
        """It was stored."""
        self.is_told = True
        assert isinstance(answer, list)  # of Accepted
        self.tell(self.about, answer, None)

    def set_exception(self, error: BaseException, /) -> None:
        """It failed."""
        self.is_told = True
        self.tell(self.about, (), error)


Waiting = tuple[Waiter, object, BaseException | None]


def resolve_all(waiting: Sequence[Waiting]) -> None:
    """Tell everyone who waits what came of it, in the loop."""
    failed: Exception | None = None
    for future, answer, error in waiting:
        try:
            if future.done():  # the waiter was cancelled; what it asked for stays committed
                continue
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)
        except Exception as trouble:  # one that cannot be told, without memory, keeps it from no other
            failed = trouble
    if failed is not None:
        raise failed


class Answers:
    """From the writer's thread to the loop: what came of its work, kept until everyone who waits for it was told.

    Where there is no memory in the loop to tell them, they are told with the next ones, or when they are remembered.
    """

    def __init__(self) -> None:
        self._untold: deque[Sequence[Waiting]] = deque()

    def resolve(self, loop: asyncio.AbstractEventLoop, waiting: Sequence[Waiting]) -> None:
        """One call into the loop for all who wait."""
        self._untold.append(waiting)
        self._call(loop, len(waiting))

    def remind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell those who should have been told by now."""
        if self._untold:
            self._call(loop, 0)

    def _call(self, loop: asyncio.AbstractEventLoop, items: int) -> None:
        try:
            loop.call_soon_threadsafe(self._resolve_untold)
        except RuntimeError:  # the loop has ended, and with it everyone who waited
            self._untold.clear()
            log.debug("store_loop_ended", items=items)

    def _resolve_untold(self) -> None:
        while self._untold:
            resolve_all(self._untold[0])
            self._untold.popleft()  # last: whoever was told is not told twice
