"""How far a search may go in one call: a page that takes too long ends early, and says from where to go on."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Final

BUDGET_SECONDS: Final = 0.5  # of one page through the API
BUDGET_CPU_SECONDS: Final = 0.025  # of one page, of the thread that looks: 50 ms are for the whole page
LISTING_ROWS_MAX: Final = 100_000  # rows that a listing of the command line looks through, unless it is to show all


@dataclass(slots=True)
class SearchBudget:
    """One search, in the thread that made it. After it `cut_at` is the last key that was looked at, where its time or its rows ran out; None: it was
    not cut. `looked` are the rows it has looked at; a budget may go over several pages."""

    seconds: float = BUDGET_SECONDS
    rows: int | None = None
    cpu_seconds: float = BUDGET_CPU_SECONDS
    cut_at: int | None = None
    looked: int = 0
    _until: float = field(init=False, repr=False)
    _until_cpu: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._until = time.monotonic() + self.seconds
        self._until_cpu = time.thread_time() + self.cpu_seconds

    def over(self) -> bool:
        """Whether its time or its rows are up."""
        late = time.monotonic() >= self._until or time.thread_time() >= self._until_cpu
        return late or (self.rows is not None and self.looked >= self.rows)


def listing_budget() -> SearchBudget:
    """For a listing at a terminal, which may take its time but not look through everything unasked."""
    return SearchBudget(seconds=math.inf, cpu_seconds=math.inf, rows=LISTING_ROWS_MAX)
