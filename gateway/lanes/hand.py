"""What a lane has in hand: a leased delivery from the claim until its outcome is written."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.store.records import Lease


@dataclass(slots=True, eq=False)
class Work:
    """One lease in a lane's hands. `expires` is monotonic seconds, counted from before the lease was asked for."""

    lease: Lease
    expires: float
    probe: int | None = None  # the mark of the probe it is
    paced: bool = False  # it holds a token of the lane's pace
    again: float | None = None  # seconds until its next try, once that is decided
    dropped: bool = False  # its worker was given up: whatever that one still says is not heard
