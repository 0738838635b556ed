"""A page of the PostgreSQL store that the server cannot read: what lies on it is all that people and retention miss.

The page is spoiled in a copy of the database, before anybody has looked at it: a server that has a page in memory does
not read it again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import structlog

from gateway.errors import StoreUnavailable
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Keep
from tests.postgres import database_url
from tests.store.conftest import Opener
from tests.store.kit import LEASE, beside, event, new, settlement, take

PAGE = 8192
EVENTS = 120
SPOILED = 3  # the page


@pytest.fixture
async def url(postgres_url: str, open_at: Opener) -> AsyncIterator[str]:
    store = await open_at(url=postgres_url)
    await take(store, *[new(event(n), "app") for n in range(1, EVENTS + 1)])
    await store.close()
    name = f"{postgres_url.partition('?')[0].rpartition('/')[2]}_damaged"
    with beside(database_url(postgres_url, "postgres")) as server:
        template = postgres_url.partition("?")[0].rpartition("/")[2]
        server.change(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        ((folder, oid),) = server.rows(
            f"SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = '{name}'"
        )
    with beside(postgres_url) as original:
        ((path,),) = original.rows("SELECT pg_relation_filenode('events')")
    with (Path(folder) / "base" / str(oid) / str(path)).open("r+b") as file:
        file.seek(SPOILED * PAGE)
        file.write(b"\xff" * 64)
    yield database_url(postgres_url, name)
    with beside(database_url(postgres_url, "postgres")) as server:
        server.change(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def lost(postgres_url: str, url: str) -> set[int]:
    """The numbers of the events on it."""
    with beside(postgres_url) as original:
        rows = original.rows(f"SELECT seq FROM events WHERE CAST(ctid AS text) LIKE '({SPOILED},%'")
    numbers = {seq for (seq,) in rows}
    assert 1 < len(numbers) < EVENTS / 4
    return numbers


def test_listings_and_paging_go_round_it(url: str, lost: set[int], clock: FrozenClock) -> None:
    rest = [n for n in range(EVENTS, 0, -1) if n not in lost]
    with StoreAdmin(url, clock=clock) as admin:
        assert [row.seq for row in admin.events(limit=200)] == rest
        for asked in ({"stream": "s*"}, {"type": "*"}, {"state": "waiting"}):
            assert [row.seq for row in admin.events(limit=200, **asked)] == rest, asked
        assert [row.id for row in admin.deliveries(limit=200)] == rest
        assert [row.id for row in admin.deliveries(limit=200, type="*")] == rest
        pages: list[int] = []
        while page := admin.events(limit=7, before=pages[-1] if pages else None):
            pages += [row.seq for row in page]
        assert pages == rest


def test_the_store_is_counted_round_it_and_says_how_much_is_not(url: str, lost: set[int], clock: FrozenClock) -> None:
    with StoreAdmin(url, clock=clock) as admin:
        status = admin.status()
        (sink,) = admin.sinks()
    assert (status.events, status.held) == (EVENTS - len(lost), 0)
    assert status.details["damaged pages"].startswith(f"up to {len(lost)} events and 0 deliveries cannot be read")
    assert sink.waiting == EVENTS


def test_an_event_on_it_is_told_as_that_with_what_to_do(url: str, lost: set[int], clock: FrozenClock) -> None:
    with StoreAdmin(url, clock=clock) as admin:
        with pytest.raises(StoreUnavailable, match=r"a page of the database is damaged .*restore a backup"):
            admin.event(event(min(lost)).id)
        assert admin.event(event(min(lost) - 1).id)


async def test_claims_and_retention_go_round_it_and_nothing_else_stays(
    url: str, lost: set[int], clock: FrozenClock, open_at: Opener
) -> None:
    store = await open_at(url=url, keep=Keep(delivered=timedelta(days=2), dead=timedelta(days=2)))
    claimed = 0
    while leases := await store.claim("app", 100, LEASE):
        claimed += len(leases)
        await store.settle([settlement(lease) for lease in leases])
    assert claimed == EVENTS - len(lost)
    clock.advance(3 * 86_400)
    with structlog.testing.capture_logs() as lines:
        assert await store.sweep() == EVENTS - len(lost)
    assert [line["event"] for line in lines] == ["stored_events_damaged"]
    assert (await take(store, new(999)))[0].new
    assert store.healthy()
