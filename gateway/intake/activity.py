"""When each source was last heard of: noted in memory on a callback's way, written to the store every few seconds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Final

from gateway.errors import StoreError
from gateway.plugin import Callback
from gateway.runtime.duty import Duties
from gateway.runtime.failure_shield import harmless
from gateway.store.records import Heard
from gateway.store.store import Store

WRITE_INTERVAL_SECONDS: Final = 2.0  # what a person sees is no older
TYPES_MAX: Final = 50  # types of one source that wait to be written
TYPE_CHARS_MAX: Final = 100  # characters


class SourceActivity:
    """The last verified callback of each source, and the last of each vendor type that made no event.

    Those are the only ones that are answered 2xx and stand in no other table, and yet somebody may look for them.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taken: dict[str, float] = {}
        self._ignored: dict[str, dict[str, Heard]] = {}

    def taken(self, source: str, at: float) -> None:
        """A callback was verified; `at` in seconds since 1970."""
        self._taken[source] = at

    @harmless
    def ignored(self, source: str, callback: Callback, vendor_type: str) -> None:
        """A verified callback of this type made no event."""
        vendor_type = vendor_type[:TYPE_CHARS_MAX]
        types = self._ignored.setdefault(source, {})
        if vendor_type in types or len(types) < TYPES_MAX:
            at = round(callback.received_at.timestamp() * 1000)
            types[vendor_type] = Heard(source, at, ignored=True, vendor_type=vendor_type, size=len(callback.body))

    def start(self, duties: Duties) -> asyncio.Task[None]:
        """Write what is new every few seconds from now on."""
        return duties.run_every("source activity", self.write, WRITE_INTERVAL_SECONDS, first=WRITE_INTERVAL_SECONDS)

    async def write_last(self) -> None:
        """Write the last of it, if the store is there."""
        with contextlib.suppress(StoreError):
            await self.write()

    async def write(self) -> None:
        """Write what is new; where the store cannot now, the next time. Raises StoreError."""
        taken, ignored = self._taken, self._ignored
        if not taken and not ignored:
            return
        self._taken, self._ignored = {}, {}
        rows = [Heard(source, round(at * 1000)) for source, at in taken.items()]
        rows += [one for types in ignored.values() for one in types.values()]
        try:
            await self._store.heard(rows)
        except Exception:
            self._taken = {**taken, **self._taken}
            self._ignored = {name: {**ignored.get(name, {}), **types} for name, types in _both(ignored, self._ignored)}
            raise


def _both(
    old: Mapping[str, dict[str, Heard]], new: Mapping[str, dict[str, Heard]]
) -> list[tuple[str, dict[str, Heard]]]:
    return [(name, new.get(name, {})) for name in {**old, **new}]
