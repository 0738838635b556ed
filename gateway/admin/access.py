"""The store as the admin side reaches it: its own connections on a few threads, beside the gateway's writer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from gateway.config.loaded import Loaded
from gateway.errors import StoreUnavailable
from gateway.reload import Reloaded
from gateway.runtime.clock import Clock
from gateway.store.admin.audit import Actor

if TYPE_CHECKING:
    from gateway.store.admin.admin import StoreAdmin

T = TypeVar("T")
READER_THREADS: Final = 3  # because one search may take half a second, and a page must not wait for it


class Running(Protocol):
    """What is read of the gateway that runs."""

    @property
    def loaded(self) -> Loaded: ...
    @property
    def clock(self) -> Clock: ...
    async def reload(self, actor: Actor) -> Reloaded: ...


class StoreAccess:
    """Each thread has connections of its own, opened when it is first used, and anew after a reload."""

    def __init__(self, gateway: Running) -> None:
        self._gateway = gateway
        self._own = threading.local()
        self._all: list[StoreAdmin] = []
        self._lock = threading.Lock()
        self._readers: ThreadPoolExecutor | None = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="admin-reader")
        self._writer: ThreadPoolExecutor | None = ThreadPoolExecutor(1, thread_name_prefix="admin-writer")

    async def read(self, question: Callable[[StoreAdmin], T]) -> T:
        """Ask the store something. Raises what the question raises, and StoreUnavailable."""
        return await self._run_in(self._readers, question)

    async def change(self, act: Callable[[StoreAdmin], T]) -> T:
        """Change something, one after the other. Raises as `read`."""
        return await self._run_in(self._writer, act)

    async def _run_in(self, pool: ThreadPoolExecutor | None, work: Callable[[StoreAdmin], T]) -> T:
        if pool is None:
            raise StoreUnavailable("the gateway is stopping")
        return await asyncio.get_running_loop().run_in_executor(pool, lambda: work(self._admin()))

    def _admin(self) -> StoreAdmin:
        from gateway.admin.store_opener import store_admin  # because it is seldom asked for, and large

        loaded = self._gateway.loaded
        if getattr(self._own, "loaded", None) is not loaded:
            if (before := getattr(self._own, "admin", None)) is not None:
                before.close()
            self._own.admin = store_admin(loaded.settings, clock=self._gateway.clock)
            self._own.loaded = loaded
            with self._lock:
                self._all = [one for one in self._all if one is not before] + [self._own.admin]
        admin: StoreAdmin = self._own.admin
        return admin

    async def close(self) -> None:
        """End the threads after what they do now, and close their connections."""
        pools, self._readers, self._writer = (self._readers, self._writer), None, None
        for pool in pools:
            if pool is not None:
                await asyncio.get_running_loop().run_in_executor(None, partial(pool.shutdown, cancel_futures=True))
        for admin in self._all:
            admin.close()
        self._all = []
