"""What libpq's words mean where no connection came about: they carry no SQLSTATE."""

from __future__ import annotations

from typing import Final

from gateway.errors import StoreUnavailable
from gateway.store.engine.patience import NoAnswer, NotYet

_NOT_NOW: Final = ("starting up", "shutting down", "too many", "remaining connection slots", "recovery mode")
_HOPELESS: Final = ("authentication", "password", "does not exist", "pg_hba", "no encryption", "invalid", "SSL")


def refusal(text: str) -> type[StoreUnavailable]:
    """Whether it is of use to wait for such a server."""
    if any(word in text for word in _HOPELESS):
        return StoreUnavailable
    return NotYet if any(word in text for word in _NOT_NOW) else NoAnswer
