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


T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
W = TypeVar("W")


class Failable(Protocol):
    """Hears once, in the loop, that a piece of work failed."""

    def done(self) -> bool: ...
    def set_exception(self, error: BaseException, /) -> None: ...


class Waiter(Failable, Protocol[T_contra]):
    """Hears once, in the loop, what came of a piece of work: a future, or a `ToldWaiter`."""

    def set_result(self, answer: T_contra, /) -> None: ...


class ToldWaiter(msgspec.Struct, Generic[W], eq=False):
    """For an accept: has `tell` called with `about`, what became of the events, and what it failed with. It costs less than a future, whose callback
    is a turn of the loop away."""

    tell: Callable[[W, Sequence[Accepted], BaseException | None], None]
    about: W
    is_told: bool = False

    def done(self) -> bool:
        """Whether it was told."""
        return self.is_told

    def set_result(self, answer: Sequence[Accepted], /) -> None:
        """It was stored."""
        self.is_told = True
        self.tell(self.about, answer, None)

    def set_exception(self, error: BaseException, /) -> None:
        """It failed."""
        self.is_told = True
        self.tell(self.about, (), error)


class WorkEnd(Protocol):
    """What came of a piece of work, and who waits for it, if anybody does."""

    @property
    def waiter(self) -> Failable | None: ...
    def tell_waiter(self) -> None:
        """In the loop: tell whoever waits. One who was cancelled hears nothing; what it asked for stays committed."""


class WorkDone(msgspec.Struct, Generic[T], eq=False):
    """It is committed."""

    waiter: Waiter[T] | None
    answer: T

    def tell_waiter(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(self.answer)


class WorkFailed(msgspec.Struct, eq=False):
    """It is not, or nobody knows."""

    waiter: Failable | None
    error: BaseException

    def tell_waiter(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(self.error)


def resolve_all(ended: Sequence[WorkEnd]) -> None:
    """Tell everyone who waits what came of it, in the loop."""
    failed: Exception | None = None
    for end in ended:
        try:
            end.tell_waiter()
        except Exception as trouble:  # one that cannot be told, without memory, keeps it from no other
            failed = trouble
    if failed is not None:
        raise failed


class Answers:
    """From the writer's thread to the loop: what came of its work, kept until everyone who waits for it was told.

    Where there is no memory in the loop to tell them, they are told with the next ones, or when they are remembered.
    """

    def __init__(self) -> None:
        self._untold: deque[Sequence[WorkEnd]] = deque()

    def resolve(self, loop: asyncio.AbstractEventLoop, ended: Sequence[WorkEnd]) -> None:
        """One call into the loop for all who wait."""
        self._untold.append(ended)
        self._call(loop, len(ended))

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
