"""What is queued for the writer: a piece of work of one of three kinds, its bytes, and who waits for what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from gateway.store.engine.batch import Bulk
from gateway.store.engine.commit_waiters import Failable, Waiter, WorkDone, WorkFailed
from gateway.store.records import Accepted, NewEvent, Settlement

T = TypeVar("T")


class Item(msgspec.Struct, eq=False):
    """One piece of work. `since` is monotonic, in seconds: when it was queued."""

    size: int
    waiter: Failable | None
    since: float

    def failed(self, error: BaseException) -> WorkFailed:
        """What came of it."""
        return WorkFailed(self.waiter, error)


class AcceptItem(Item, kw_only=True):
    """The events of one callback. Accepts are done many at a time, and so are settles."""

    work: Sequence[NewEvent]
    waiter: Waiter[Sequence[Accepted]]
    expired: bool = False  # its waiter was told no; what has not begun by then is not begun any more


class SettleItem(Item, kw_only=True):
    """Outcomes of one lane."""

    work: Sequence[Settlement]
    waiter: Waiter[Sequence[bool]]


class CallItem(Item, Generic[T], kw_only=True):
    """A plain function of a session; `apart`: of one without a transaction. `waiter` None: nobody waits for it."""

    work: Callable[[Bulk], T]
    waiter: Waiter[T] | None
    apart: bool = False

    def done(self, session: Bulk) -> WorkDone[T]:
        """Call it. Raises what it raises."""
        return WorkDone(self.waiter, self.work(session))
