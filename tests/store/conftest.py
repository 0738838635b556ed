"""Every promise of the store is made twice: on a SQLite file and on a PostgreSQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.engine.migrations import migrate
from gateway.store.sqlite.batch import SqliteBulk
from gateway.store.sqlite.session import make_file
from gateway.store.store import Store
from tests import store_urls

url, untouched = store_urls.url, store_urls.untouched


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


Opener = Callable[..., Awaitable[Store]]


@pytest.fixture
def lite(tmp_path: Path, clock: FrozenClock) -> Iterator[SqliteBulk]:
    """The writer's session of a new file, which waits for no disk."""
    make_file(tmp_path / "g.db")
    session = SqliteBulk(tmp_path / "g.db", clock)
    session.change("PRAGMA synchronous=OFF")
    migrate(session, "x")
    yield session
    session.close()


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
