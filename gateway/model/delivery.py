"""One event on its way to one sink, and how a try of it ends."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from gateway.model.event import Event
from gateway.model.value import Value

_NO_MEMO: Final[Mapping[str, object]] = MappingProxyType({})


class Progress(Value, frozen=True):
    """How far a long delivery is: `done` of `total` bytes, each None where nobody knows, and a few words for people."""

    done: int | None = None
    total: int | None = None
    text: str = ""


Heartbeat = Callable[[Mapping[str, Any] | None, Progress | None], Awaitable[None]]


class Delivery(Value, frozen=True, kw_only=True):
    """One event on its way to one sink. `attempt` counts from 1; `memo` is what the last attempt left for this one."""

    id: int
    event: Event
    sink: str
    attempt: int
    first_attempt_at: datetime
    deadline: datetime  # when this attempt is cut off
    memo: Mapping[str, Any] = _NO_MEMO
    replay: bool = False
    owner: str = ""  # whose it is, by the sink's directory
    heartbeat: Heartbeat | None = None  # the core's; a sink calls `alive`

    async def alive(self, memo: Mapping[str, object] | None = None, progress: Progress | None = None) -> None:
        """Say that this delivery gets on: its lease begins anew, and `memo` (None: as it was) is kept durably.

        Whoever carries it the next time, after a restart too, gets the memo kept last. Call it every few seconds of a
        long delivery: a delivery that says nothing for `delivery.timeout` is cut off, and the gateway writes no more
        often than is of use. Raises Stopping when the gateway is to stop: end at once, keeping nothing else.
        """
        if self.heartbeat is not None:
            await self.heartbeat(memo, progress)


class Outcome(enum.StrEnum):
    """How one attempt ended."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    LOST = "lost"  # its process died, or its lease ended, before it could say


class Attempt(Value, frozen=True, kw_only=True):
    """One try, as people see it. `detail` is redacted; `seconds` is how long it took; `status` the HTTP status if any."""

    number: int
    started_at: datetime
    seconds: float
    outcome: Outcome
    detail: str = ""
    status: int | None = None
