"""Overviews as a gateway would answer them: every text of strangers as a test wants it, every time a real one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from gateway.admin.overview_results import Overview
from tests.web.pages.fixed import filled

AT = "2026-01-01T12:00:00.000Z"
TIMES = {"at", "since", "started_at", "probe_after", "last_seen", "last_at", "refused_at", "oldest_waiting_at"}


def an_overview(text: str = "lines", *, sinks: int = 1, choice: int = 0) -> Overview:
    """One with so many sinks; every name and every sentence is this text."""
    seen = _timed(filled(Overview, text, choice))
    one = seen.sinks[0]
    return seen.model_copy(
        update={
            "sinks": [one.model_copy(update={"name": f"{text}{n or ''}"}) for n in range(sinks)],
            "attention": [need.model_copy(update={"kind": "sink.down"}) for need in seen.attention] * sinks,
        }
    )


def _timed(value: Any) -> Any:
    if isinstance(value, list):
        return [_timed(one) for one in value]
    if isinstance(value, dict):
        return {name: _timed(one) for name, one in value.items()}
    if not isinstance(value, BaseModel):
        return value
    fields: dict[str, Any] = {
        name: AT if name in TIMES else _timed(getattr(value, name)) for name in type(value).model_fields
    }
    return type(value).model_construct(**fields)
