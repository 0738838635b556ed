"""A StoreAdmin beside a running store, on a SQLite file and on a PostgreSQL database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Store
from tests.ready_stores import file_at


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store without an event, of each kind."""
    if request.param == "sqlite":
        return file_at(tmp_path / "gateway.db")
    return str(request.getfixturevalue("postgres_store_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def untouched(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place without a store, of each kind: for what is told of the first start."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/gateway.db"
    return str(request.getfixturevalue("postgres_url"))


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
def desks(url: str, clock: FrozenClock) -> Iterator[Callable[..., StoreAdmin]]:
    """Makes desks on the store; they are closed at the end."""
    made: list[StoreAdmin] = []

    def make(**options: Any) -> StoreAdmin:
        made.append(StoreAdmin(options.pop("url", url), clock=options.pop("clock", clock), **options))
        return made[-1]

    yield make
    for admin in made:
        admin.close()


@pytest.fixture
def admin(store: Store, desks: Callable[..., StoreAdmin]) -> StoreAdmin:
    """A StoreAdmin beside the running store, whose configuration has the sinks app and ops."""
    return desks(configured=("app", "ops"))
