"""What follows on an event is read with it, both ways, goes when it is erased, and long deliveries are shown with their sink."""

from __future__ import annotations

import pytest

from gateway.errors import NotFound
from gateway.model import RECORDING_ARCHIVED, Cause, Progress
from gateway.store.admin.admin import StoreAdmin
from gateway.store.admin.shown_rows import UnderWay
from gateway.store.records import NewEvent
from gateway.store.store import Store
from tests.store.kit import LEASE, event, new, settlement, table, take


def follow_up(of: NewEvent, number: int, *sinks: str) -> NewEvent:
    made = event(number, type=RECORDING_ARCHIVED, cause=Cause(of.event.ref, "app"), depth=of.event.depth + 1, raw=b"")
    return new(made, *sinks, fingerprint=b"f" * 16)


@pytest.fixture
async def chain(store: Store) -> list[NewEvent]:
    """An event, what follows on it, and what follows on that; beside it an event of its own."""
    first = new(1, "app")
    second = follow_up(first, 101, "ops")
    third = follow_up(second, 102)
    await take(store, first, new(2))
    for sink, behind in (("app", second), ("ops", third)):
        (lease,) = await store.claim(sink, 1, LEASE)
        await store.settle_with(settlement(lease), [behind])
    return [first, second, third]


async def test_an_event_names_its_children_and_its_cause(admin: StoreAdmin, chain: list[NewEvent]) -> None:
    first, second, third = [admin.event(one.event.ref) for one in chain]
    assert [row.ref for row in first.children] == [second.row.ref]
    assert [row.ref for row in second.children] == [third.row.ref]
    assert third.children == ()
    assert first.cause is None
    assert second.cause is not None
    assert second.cause.ref == first.row.ref
    assert admin.event(event(2).id).children == ()


async def test_erasing_an_event_takes_what_follows_on_it_along(
    admin: StoreAdmin, store: Store, url: str, chain: list[NewEvent]
) -> None:
    with pytest.raises(NotFound):
        admin.event("nothing-of-the-kind")
    admin.erase([chain[0].event.ref])
    assert table(url, "id", "events") == [(event(2).id,)]
    assert {id_ for (id_,) in table(url, "id", "remembered")} == {one.event.id for one in chain}
    (again,) = await take(store, chain[1])  # made once more by its sink
    assert not again.new


async def test_erasing_a_follow_up_leaves_its_cause(admin: StoreAdmin, url: str, chain: list[NewEvent]) -> None:
    admin.erase([chain[1].event.ref])
    assert [id_ for (id_,) in table(url, "id", "events", "seq")] == [event(1).id, event(2).id]


async def test_a_follow_up_is_replayed_by_itself(admin: StoreAdmin, url: str, chain: list[NewEvent]) -> None:
    admin.replay(chain[1].event.ref)
    assert table(url, "sink, state, replay", "deliveries", "id") == [("app", "delivered", 0), ("ops", "waiting", 1)]


async def test_long_deliveries_are_shown_with_their_sink_while_they_are_sent(admin: StoreAdmin, store: Store) -> None:
    await take(store, new(1, "app"), new(2, "app"))
    first, second = await store.claim("app", 2, LEASE)
    await store.keep_alive(first.delivery, first.token, LEASE, {"o": 1}, Progress(5, 10, "half"))
    (row,) = [one for one in admin.sinks() if one.name == "app"]
    assert row.under_way == (UnderWay(delivery=first.delivery, event_ref=event(1).id, done=5, total=10, text="half"),)
    await store.settle([settlement(first), settlement(second)])
    assert [one.under_way for one in admin.sinks() if one.name == "app"] == [()]
