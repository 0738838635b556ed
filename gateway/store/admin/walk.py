"""How far a search may go in one call: a page that takes too long ends early, and says from where to go on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

BUDGET_SECONDS: Final = 0.5  # of one page through the API; the command line has its time


@dataclass(slots=True)
class Walk:
    """One search. After it `cut_at` is the last key that was looked at, where its time ran out; None: it was not cut."""

    seconds: float = BUDGET_SECONDS
    cut_at: int | None = None
    _until: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._until = time.monotonic() + self.seconds

    def over(self) -> bool:
        """Whether its time is up."""
        return time.monotonic() >= self._until
