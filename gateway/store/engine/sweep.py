"""A pass of retention over the whole store, in batches that give way to everything else, past pages that are damaged."""

from __future__ import annotations

from functools import partial
from typing import Final

from gateway.errors import ItemRefused
from gateway.runtime.lean_imports import import_structlog
from gateway.store.engine.backend import Backend
from gateway.store.engine.writer import Writer
from gateway.store.outbox import retention
from gateway.store.outbox.retention import Keep

SHORT_LEAPS_MAX: Final = 256  # over one row each that cannot be read; then each twice as long
LEAPS_MAX: Final = SHORT_LEAPS_MAX + 20

log = import_structlog().get_logger("gateway.store")


async def sweep(backend: Backend, writer: Writer, keep: Keep) -> int:
    """One pass in small batches; the number of events deleted. Raises StoreUnavailable."""
    after: int | None = 0
    deleted = 0
    most = backend.sweep_rows
    alone = leaps = 0  # so many events are looked at one by one, because one of them lies on a damaged page
    while after is not None:
        look = partial(retention.sweep_step, keep=keep, after=after, most=1 if alone else most)
        try:
            step = await backend.background(writer, look)
        except ItemRefused as error:
            if not alone:
                alone = most
            elif leaps == LEAPS_MAX:
                break
            else:
                if not leaps:
                    log.error("stored_events_damaged", after=after, error=str(error))
                after += 1 << max(leaps - SHORT_LEAPS_MAX, 0)  # nobody can say where the damage ends
                leaps += 1
            continue
        alone, leaps = max(alone - 1, 0), 0
        after = step.after
        deleted += step.deleted
    while await backend.background(writer, lambda session: retention.forget_step(session, keep, most)):
        pass
    return deleted
