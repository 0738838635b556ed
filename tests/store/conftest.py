"""Every promise of the store is made twice: on a SQLite file and on a PostgreSQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.store import Store
from tests import store_urls

url, untouched = store_urls.url, store_urls.untouched


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


Opener = Callable[..., Awaitable[Store]]


@pytest.fixture
async def open_at(clock: FrozenClock) -> AsyncIterator[Opener]:
    """Opens stores at `url=`; those that a test leaves open are closed."""
    stores: list[Store] = []

    async def open_(*, url: str, lock_wait: float = 0, **options: Any) -> Store:
        store = Store(url, clock=options.pop("clock", clock), **options)
        stores.append(store)
        await store.open(lock_wait=lock_wait)
        return store

    yield open_
    for store in stores:
        await store.close()


@pytest.fixture
def opened(url: str, open_at: Opener) -> Opener:
    """Opens stores on the URL of both kinds."""
    return partial(open_at, url=url)


@pytest.fixture
async def store(opened: Opener) -> Store:
    return await opened()


@pytest.fixture
async def pair(open_at: Opener, postgres_url: str) -> tuple[Store, Store]:
    """Two gateways on one database."""
    return await open_at(url=postgres_url, owner="a:1"), await open_at(url=postgres_url, owner="b:2")
