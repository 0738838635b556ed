"""The counters of a window of time, as the first page and the lists of sinks and sources show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from gateway.store.admin import minutes
from gateway.store.admin.minutes import Sum

if TYPE_CHECKING:
    from gateway.store.admin.queries import StoreQueries

Window = Literal["1h", "24h", "7d"]

SPANS: Final[Mapping[Window, tuple[int, int]]] = {"1h": (60, 1), "24h": (24 * 60, 10), "7d": (7 * 24 * 60, 60)}
"""Minutes of a window, and minutes of one point of its plot."""


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """The counters of one window, in points."""

    first: int  # the number of the first point
    points: int
    step: int  # minutes
    sums: Sequence[Sum]

    @classmethod
    def counted(cls, admin: StoreQueries, window: Window, minute: int) -> WindowCounts:
        """Those of the window that ends now."""
        span, step = SPANS[window]
        first = (minute - span) // step + 1
        since = first * step
        return cls(first, span // step, step, admin.ask(lambda session: minutes.sums(session, since, step)))
