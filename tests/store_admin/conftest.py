"""A StoreAdmin beside a running store, on a SQLite file and on a PostgreSQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Store
from tests import store_urls

url, untouched = store_urls.url, store_urls.untouched


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
async def store(url: str, clock: FrozenClock) -> AsyncIterator[Store]:
    """A gateway's store that runs."""
    store = Store(url, clock=clock)
    await store.open(lock_wait=0)
    yield store
    await store.close()


@pytest.fixture
def admins(url: str, clock: FrozenClock) -> Iterator[Callable[..., StoreAdmin]]:
    """Makes admin sides of the store; they are closed at the end."""
    made: list[StoreAdmin] = []

    def make(**options: Any) -> StoreAdmin:
        made.append(StoreAdmin(options.pop("url", url), clock=options.pop("clock", clock), **options))
        return made[-1]

    yield make
    for admin in made:
        admin.close()


@pytest.fixture
def admin(store: Store, admins: Callable[..., StoreAdmin]) -> StoreAdmin:
    """A StoreAdmin beside the running store, whose configuration has the sinks app and ops."""
    return admins(configured=("app", "ops"))
