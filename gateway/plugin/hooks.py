"""The hooks of whichever configuration runs now, so that what was built once need not be built again at a reload."""

from __future__ import annotations

from typing import Any


class Relay:
    """Stands where pluggy's relay stands: `relay.deliver(...)`. `change` puts another one behind it."""

    def __init__(self, hook: Any) -> None:
        self._hook = hook

    def change(self, hook: Any) -> None:
        """From the next call on, the plugins of another registry are asked."""
        self._hook = hook

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hook, name)
