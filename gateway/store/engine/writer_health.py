"""Whether the writer's commits work, as readiness and the next line in the log are told."""

from __future__ import annotations

import time
from typing import Final

from gateway.errors import StoreFileGone
from gateway.runtime.lean_imports import import_structlog

log = import_structlog().get_logger("gateway.store")

DAMAGE_SECONDS: Final = 60.0  # between two lines about a damaged page


class WriterHealth:
    """One a writer."""

    def __init__(self) -> None:
        self.committed = False  # the last commit worked
        self.refusing = False  # the last accept did not, even if smaller work does
        self._damage_at = 0.0

    @property
    def well(self) -> bool:
        """Whether the last commit worked, and the last accept."""
        return self.committed and not self.refusing

    def unanswered(self) -> None:
        """An accept was told no, because the database did not answer."""
        if self.well:
            log.warning("store_does_not_answer")
        self.refusing = True

    def failing(self, *, accept: bool) -> None:
        """A commit failed, of an accept perhaps."""
        self.committed = False
        self.refusing = self.refusing or accept

    def unwell(self, error: BaseException, text: str, **facts: int) -> None:
        """One line when it begins: a store that is away fails every batch."""
        if self.well and isinstance(error, StoreFileGone):
            log.error("store_file_gone", error=text, **facts)
        elif self.well:
            log.warning("store_commit_failed", error=text, **facts)
        self.committed = False

    def tell_damage(self, text: str) -> None:
        """Once a minute: every look at the page fails."""
        now = time.monotonic()
        if now >= self._damage_at:
            self._damage_at = now + DAMAGE_SECONDS
            log.error("store_page_damaged", error=text)
