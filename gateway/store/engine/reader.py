"""The store's second connection, on a thread of its own: what is read, so that reading never stands in the writer's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from gateway.errors import ItemRefused, StoreUnavailable
from gateway.store.engine.reruns import pause
from gateway.store.engine.session import Session, Trouble

T = TypeVar("T")


class StoreReader:
    """One thread, one session, opened when it is first used and again after it was lost."""

    def __init__(self, connect: Callable[[], Session]) -> None:
        self._connect = connect
        self._session: Session | None = None
        self._pool: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Begin; the connection is made by the first question."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store-reader")

    def ask(self, question: Callable[[Session], T]) -> asyncio.Future[T]:
        """Run a question on the reader's thread. The future raises StoreUnavailable."""
        if self._pool is None:
            raise StoreUnavailable("the store is not open")
        return asyncio.get_running_loop().run_in_executor(self._pool, self._answer, question)

    def _answer(self, question: Callable[[Session], T]) -> T:
        looked = reruns = 0
        while True:
            if self._session is None:
                self._session = self._connect()
            session = self._session
            try:
                return question(session)
            except Exception as error:
                trouble = session.trouble(error)
                if trouble is Trouble.BUG:
                    if session.under_way:  # it was not rolled back, without memory
                        self._drop()
                    raise
                if trouble is Trouble.DAMAGED:
                    raise ItemRefused(f"the store cannot be read here: {session.explain(error)}") from None
                if trouble is Trouble.AGAIN and pause(reruns := reruns + 1, error):
                    continue
                if trouble is Trouble.LOST:
                    self._drop()
                    if not looked:  # the server was restarted while nobody asked
                        looked = 1
                        continue
                raise StoreUnavailable(f"the store cannot be read: {session.explain(error)}") from None

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    async def close(self) -> None:
        """End the thread after what it does now."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._shut_down, pool)

    def _shut_down(self, pool: ThreadPoolExecutor) -> None:
        pool.shutdown(wait=True, cancel_futures=True)
        self._drop()
