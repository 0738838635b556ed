"""What a lane has in hand: leased deliveries from the claim until their outcomes are written."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Final

import msgspec

from gateway.model import Delivery, Heartbeat
from gateway.runtime.clock import moment_of
from gateway.runtime.time_limits import TimeLimit
from gateway.runtime.traces import Span
from gateway.store.records import Lease

_NO_MEMO: Final[Mapping[str, object]] = MappingProxyType({})


class LeasedDelivery(msgspec.Struct, eq=False):
    """One lease in a lane's hands. `expires` is monotonic seconds, counted from before the lease was asked for."""

    lease: Lease
    expires: float
    renewed: float = 0.0  # seconds that its lease was lengthened by
    again: float | None = None  # seconds until its next try, once that is decided
    decided: bool = False  # its outcome is the settler's
    alive: bool = False  # its sink has said that it gets on
    shown_at: float = 0.0  # monotonic seconds, when its progress was last written
    done: int | None = None  # bytes, as its sink said last
    stopped: bool = False  # its sink was told that the gateway is to stop
    lost: bool = False  # so was its lease, while it was carried
    owner: str = ""  # whose it is, by the sink's directory
    leaves: bool = False  # once it is settled, it holds up its queue no longer
    span: Span | None = None  # of the attempt under way, where spans are made


class Dispatch(msgspec.Struct, eq=False):
    """What goes out in one call: one delivery, or a batch."""

    members: list[LeasedDelivery]
    probe: int | None = None  # the mark of the probe it is
    paced: bool = False  # it holds a token of the lane's pace
    lone: bool = False  # nothing else is in flight beside it
    since: float = 0.0  # when it was last heard of, in the loop's seconds
    silence: TimeLimit | None = None  # what cuts it off when it says nothing
    dropped: bool = False  # its worker was given up: whatever that one still says is not heard

    def hear(self) -> None:
        """It gets on: its silence begins anew."""
        self.since = get_running_loop().time()
        if self.silence is not None:
            self.silence.restart()

    def bounded_by(self, silence: TimeLimit) -> None:
        """It is being sent, and this cuts it off when it says nothing."""
        self.silence = silence

    @property
    def suspected(self) -> bool:
        """Whether a process died with one of these in flight."""
        for member in self.members:  # noqa: SIM110  a generator costs more than these few
            if member.lease.losses:
                return True
        return False

    @property
    def first(self) -> LeasedDelivery:
        """It stands for all of them where the call as a whole is counted."""
        return self.members[0]


def deliveries_of(
    dispatch: Dispatch, since: int, allowed: timedelta, beat: Callable[..., Awaitable[None]]
) -> list[Delivery]:
    """What a sink sees of what goes out in one call since then (ms), for so long at most. `beat` is told of which it is, and what
    `Delivery.alive` is given."""
    deadline = moment_of(since) + allowed
    deliveries = []
    for member in dispatch.members:
        deliveries.append(_shown(member.lease, deadline, member.owner, partial(beat, dispatch, member)))
    return deliveries


def delivery_of(lease: Lease, since: int, allowed: timedelta, *, owner: str = "") -> Delivery:
    """What an observer sees of a lease that is carried since then (ms), for so long at most."""
    return _shown(lease, moment_of(since) + allowed, owner, None)


def _shown(lease: Lease, deadline: datetime, owner: str, heartbeat: Heartbeat | None) -> Delivery:
    return Delivery(
        id=lease.delivery,
        event=lease.event,
        sink=lease.sink,
        attempt=lease.attempt,
        first_attempt_at=moment_of(lease.first_at),
        deadline=deadline,
        memo=MappingProxyType(dict(lease.memo)) if lease.memo else _NO_MEMO,
        replay=lease.replay,
        owner=owner,
        heartbeat=heartbeat,
    )
