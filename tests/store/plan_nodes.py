"""The nodes of what `EXPLAIN (FORMAT JSON)` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def nodes(plan: Any) -> Iterator[dict[str, Any]]:
    """Every node of a plan."""
    if isinstance(plan, list):
        for one in plan:
            yield from nodes(one)
    elif isinstance(plan, dict):
        yield plan
        for value in plan.values():
            yield from nodes(value)
