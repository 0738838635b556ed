"""What a lane has in hand: leased deliveries from the claim until their outcomes are written."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.runtime.traces import Span
from gateway.store.records import Lease


@dataclass(slots=True, eq=False)
class LeasedDelivery:
    """One lease in a lane's hands. `expires` is monotonic seconds, counted from before the lease was asked for."""

    lease: Lease
    expires: float
    renewed: float = 0.0  # seconds that its lease was lengthened by
    again: float | None = None  # seconds until its next try, once that is decided
    decided: bool = False  # its outcome is the settler's
    span: Span | None = None  # of the attempt under way, where spans are made


@dataclass(slots=True, eq=False)
class Dispatch:
    """What goes out in one call: one delivery, or a batch."""

    members: list[LeasedDelivery]
    probe: int | None = None  # the mark of the probe it is
    paced: bool = False  # it holds a token of the lane's pace
    dropped: bool = False  # its worker was given up: whatever that one still says is not heard

    @property
    def first(self) -> LeasedDelivery:
        """It stands for all of them where the call as a whole is counted."""
        return self.members[0]
