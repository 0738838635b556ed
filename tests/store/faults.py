"""Faults put into a running store's own sessions: a commit that fails, an answer that is lost, a batch that is held up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gateway.store.engine.batch import Bulk
from gateway.store.store import Store
from tests.patience import PATIENCE_S


async def on_writer(store: Store, work: Callable[[Bulk], Any]) -> Any:
    """Run something on the writer's thread with its session."""
    return await store._writer.enqueue(work)


@contextmanager
def held_up(store: Store) -> Iterator[None]:
    """The writer is busy until the block ends: what is put meanwhile comes in one batch."""
    entered, go = threading.Event(), threading.Event()

    def wait(_session: Bulk) -> None:
        entered.set()
        go.wait(PATIENCE_S)

    future = store._writer.enqueue(wait)
    entered.wait(PATIENCE_S)
    try:
        yield
    finally:
        go.set()
        future.add_done_callback(asyncio.Future.exception)


async def fail_next(
    store: Store, name: str, error: Callable[[Bulk], BaseException], *, after: bool, times: int = 1
) -> None:
    """Let the session's method `name` raise, `after` doing its work (or instead of it), so many times."""

    def put(session: Bulk) -> None:
        real = getattr(type(session), name)
        left = [times]

        def faulty(self: Any, *args: Any, **options: Any) -> Any:
            if not left[0]:
                return real(self, *args, **options)
            left[0] -= 1
            if after:
                real(self, *args, **options)
            raise error(self)

        setattr(session, name, faulty.__get__(session))

    await on_writer(store, put)
