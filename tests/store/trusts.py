"""Contents of every trust, and what was claimed of them."""

from __future__ import annotations

from typing import Any

from gateway.model import Event, Trust
from tests.store.kit import event

TRUSTS = (Trust.NONE, Trust.TIMESTAMP, Trust.FIELDS, Trust.BODY)


def said(content: str = "", trust: Trust = Trust.TIMESTAMP, number: int = 1, **changes: Any) -> Event:
    """An event with this content and trust; the id says its number."""
    return event(number, trust=trust, job_id=content or None, **changes)
