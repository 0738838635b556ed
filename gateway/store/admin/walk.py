"""How far a search may go in one call: a page that takes too long ends early, and says from where to go on."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Final

BUDGET_SECONDS: Final = 0.5  # of one page through the API
LISTING_ROWS_MAX: Final = 100_000  # rows that a listing of the command line looks through, unless it is to show all


@dataclass(slots=True)
class Walk:
    """One search. After it `cut_at` is the last key that was looked at, where its time or its rows ran out; None: it was
    not cut. `looked` are the rows it has looked at; a walk may go over several pages."""

    seconds: float = BUDGET_SECONDS
    rows: int | None = None
    cut_at: int | None = None
    looked: int = 0
    _until: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._until = time.monotonic() + self.seconds

    def over(self) -> bool:
        """Whether its time or its rows are up."""
        return time.monotonic() >= self._until or (self.rows is not None and self.looked >= self.rows)


def walk_of_listing() -> Walk:
    """For a listing at a terminal, which may take its time but not look through everything unasked."""
    return Walk(seconds=math.inf, rows=LISTING_ROWS_MAX)
