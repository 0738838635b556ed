"""A page of the PostgreSQL store that the server cannot read: what lies on it is all that people and retention miss."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import structlog

from gateway.errors import StoreUnavailable
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Keep
from tests.store.conftest import Opener
from tests.store.kit import LEASE, event, new, settlement, take
from tests.store.spoiled import spoiled

EVENTS = 120
SPOILED = 3  # the page


@pytest.fixture
async def damaged(postgres_url: str, open_at: Opener) -> AsyncIterator[tuple[str, set[int]]]:
    store = await open_at(url=postgres_url)
    await take(store, *[new(event(n), "app") for n in range(1, EVENTS + 1)])
    await store.close()
    with spoiled(postgres_url, "events", SPOILED) as (url, lost):
        assert 1 < len(lost) < EVENTS / 4
        yield url, lost


@pytest.fixture
def url(damaged: tuple[str, set[int]]) -> str:
    return damaged[0]


@pytest.fixture
def lost(damaged: tuple[str, set[int]]) -> set[int]:
    """The numbers of the events on it."""
    return damaged[1]


def test_listings_and_paging_go_round_it(url: str, lost: set[int], clock: FrozenClock) -> None:
    rest = [n for n in range(EVENTS, 0, -1) if n not in lost]
    with StoreAdmin(url, clock=clock) as admin:
        assert [row.seq for row in admin.events(limit=200)] == rest
        filters: list[dict[str, Any]] = [{"stream": "s*"}, {"type": "*"}, {"state": "waiting"}]
        for asked in filters:
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
    assert (status.events, status.held_events) == (EVENTS - len(lost), 0)
    assert status.details["damaged pages"].startswith(f"up to {len(lost)} events and 0 deliveries cannot be read")
    assert sink.waiting == EVENTS


def test_an_event_on_it_is_told_as_that_with_what_to_do(url: str, lost: set[int], clock: FrozenClock) -> None:
    with StoreAdmin(url, clock=clock) as admin:
        with pytest.raises(StoreUnavailable, match=r"a page of the database is damaged .*restore a backup"):
            admin.event(event(min(lost)).id)
        assert admin.event(event(min(lost) - 1).id)


async def test_what_consumers_are_given_goes_round_it(url: str, lost: set[int], open_at: Opener) -> None:
    store = await open_at(url=url)
    given = 0
    while leases := (await store.lease_out("app", 100, LEASE, 1000)).leases:
        given += len(leases)
        await store.settle([settlement(lease) for lease in leases])
    assert given == EVENTS - len(lost)


@pytest.mark.plain_rows
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
