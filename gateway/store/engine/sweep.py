"""A pass of retention over the whole store, in batches that give way to everything else, past pages that are damaged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from gateway.errors import ItemRefused
from gateway.runtime.lean_imports import import_structlog
from gateway.store.engine.backend import Backend
from gateway.store.engine.session import Session
from gateway.store.engine.writer import Writer
from gateway.store.outbox import key_change, retention
from gateway.store.outbox.retention import Keep

T = TypeVar("T")

REENCRYPT_SECONDS_MAX: Final = 20.0  # of a minute that are spent on a change of the key
SHORT_LEAPS_MAX: Final = 256  # over one row each that cannot be read; then each twice as long
LEAPS_MAX: Final = SHORT_LEAPS_MAX + 20
REST_TIMES: Final = 2.0  # as long as a piece of work took it rests: two of three callbacks meet none at all
REST_SECONDS_MAX: Final = 0.25
HURRY_SECONDS: Final = (
    600.0  # of one pass, after which it rests no longer than it works: more grows old than it deletes
)
QUIET_SECONDS: Final = 1.0  # without an accept; then it does not rest

log = import_structlog().get_logger("gateway.store")


async def sweep(backend: Backend, writer: Writer, keep: Keep) -> int:
    """One pass in small batches; the number of events deleted. Raises StoreUnavailable."""
    paced = _Paced(backend, writer)
    after: int | None = 0
    deleted = 0
    most = backend.step_rows
    alone = leaps = 0  # so many events are looked at one by one, because one of them lies on a damaged page
    while after is not None:
        look = partial(retention.sweep_step, keep=keep, after=after, most=1 if alone else most)
        try:
            step = await paced.ask(look)
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
    forget = partial(retention.forget_step, keep=keep, most=most)
    while await paced.ask(forget):
        pass
    return deleted


class _Paced:
    """Runs steps, with a rest after each piece of work in proportion where accepts come that would wait behind the next one."""

    def __init__(self, backend: Backend, writer: Writer) -> None:
        self._backend, self._writer = backend, writer
        self._began = self._took = 0.0
        self._hurry_at = time.monotonic() + HURRY_SECONDS

    async def ask(self, step: Callable[[Session], T]) -> T:
        """What one step gives."""

        def timed(session: Session) -> T:
            self._began = time.monotonic()  # not when it was queued: what waits there hurts nobody
            return step(session)

        await self._rest()
        try:
            answer = await self._backend.background(self._writer, timed)
        finally:
            self._took = time.monotonic() - self._began
        await self._tidy()
        return answer

    async def _tidy(self) -> None:
        await self._rest()
        if (tidied := self._backend.tidy(self._writer)) is not None:
            self._took = await tidied

    async def _rest(self) -> None:
        if self._took and (self._writer.accepted_within(QUIET_SECONDS) or not self._backend.alone):
            times = REST_TIMES if time.monotonic() < self._hurry_at else 1.0
            await asyncio.sleep(min(self._took * times, REST_SECONDS_MAX))  # of others' accepts nobody knows here
        self._took = 0.0


async def reencrypt(backend: Backend, writer: Writer) -> None:
    """Go on with sealing anew, for a while and in small batches; what is left is for the next time.

    Raises StoreUnavailable, StoreKeyMissing.
    """
    until = time.monotonic() + REENCRYPT_SECONDS_MAX
    most = backend.step_rows
    skip = 0
    while time.monotonic() < until:
        look = partial(key_change.step, most=most, skip=skip)
        skip = 0
        try:
            step = await backend.background(writer, look)
        except ItemRefused:  # one of these lies on a damaged page: one by one, and past it
            skip, most = (1, most) if most == 1 else (0, 1)
            continue
        if step is None:
            return
        if step.ended_at is not None:
            backend.scrub()
            log.info("store_encrypted", key=step.to, rows=step.rows, given_up=step.given_up)
            return
