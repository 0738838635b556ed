"""Whatever a listing asks for, a damaged page hides what lies on it and nothing else, though its rows are scattered."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from tests.store.conftest import Opener
from tests.store.kit import beside, event, new, take
from tests.store.spoiled import spoiled

EVENTS = 120
ALL = set(range(1, EVENTS + 1))
OLD = {
    n for n in ALL if n <= EVENTS // 2 and n % 2
}  # of a kind of their own: a merge of kinds reads far ahead for them
HELD = {n for n in ALL if not n % 4}
DEAD = {n for n in ALL if not n % 5}
TWO = {n for n in ALL if not n % 3}  # of the sink `two`


async def _fill(url: str, open_at: Opener, *changes: str) -> None:
    store = await open_at(url=url)
    kinds = {n: replace(event(n), type="com.example.old", source="other") if n in OLD else event(n) for n in ALL}
    await take(store, *[new(kinds[n], "two" if n in TWO else "app") for n in sorted(ALL)])
    await store.close()
    with beside(url) as original:
        for change in changes:
            original.change(change)  # a row that is written anew goes to another page


def _descending(keys: set[int]) -> list[int]:
    return sorted(keys, reverse=True)


async def test_events_beside_a_page_of_events(postgres_url: str, open_at: Opener, clock: FrozenClock) -> None:
    await _fill(
        postgres_url, open_at, "UPDATE events SET held = 'conflict' WHERE mod(seq, 4) = 0", "VACUUM FULL events"
    )
    asked: list[tuple[dict[str, Any], set[int]]] = [
        ({}, ALL),
        ({"stream": "s*"}, ALL),
        ({"type": "*"}, ALL),
        ({"type": ["com.example.old", "*completed*"]}, ALL),
        ({"source": "*", "held": False}, ALL - HELD),
        ({"type": "com.example.old"}, OLD),
        ({"source": "other", "state": "waiting"}, OLD),
        ({"state": "waiting"}, ALL),
        ({"state": "dead"}, set()),
        ({"held": True}, HELD),
    ]
    with spoiled(postgres_url, "events", 4) as (url, lost), StoreAdmin(url, clock=clock) as admin:
        assert len(lost) < max(lost) - min(lost) < EVENTS / 4
        for said, meant in asked:
            assert [row.seq for row in admin.events(limit=200, **said)] == _descending(meant - lost), said
        assert [row.id for row in admin.deliveries(limit=200, type="*")] == _descending(ALL - lost)


async def test_deliveries_beside_a_page_of_deliveries(postgres_url: str, open_at: Opener, clock: FrozenClock) -> None:
    await _fill(
        postgres_url,
        open_at,
        "UPDATE deliveries SET state = 'dead', reason = 'refused' WHERE mod(id, 5) = 0",
        "VACUUM FULL deliveries",
    )
    asked: list[tuple[dict[str, Any], set[int]]] = [
        ({}, ALL),
        ({"type": "*"}, ALL),
        ({"state": "waiting"}, ALL - DEAD),
        ({"state": "waiting", "sink": "two"}, TWO - DEAD),
        ({"state": "waiting", "source": "other"}, OLD - DEAD),
        ({"state": "dead"}, DEAD),
        ({"state": "dead", "sink": "two"}, DEAD & TWO),
        ({"state": "dead", "sink": ["two", "app"]}, DEAD),
        ({"sink": "two"}, TWO),
    ]
    with spoiled(postgres_url, "deliveries", 1) as (url, lost), StoreAdmin(url, clock=clock) as admin:
        assert len(lost) < max(lost) - min(lost)
        assert ALL - lost
        for said, meant in asked:
            assert [row.id for row in admin.deliveries(limit=200, **said)] == _descending(meant - lost), said


async def test_events_of_a_state_beside_a_page_of_deliveries(
    postgres_url: str, open_at: Opener, clock: FrozenClock
) -> None:
    await _fill(postgres_url, open_at)
    with spoiled(postgres_url, "deliveries", 1) as (url, lost), StoreAdmin(url, clock=clock) as admin:
        filters: list[dict[str, Any]] = [{}, {"state": "waiting"}, {"state": "waiting", "type": "*"}]
        for said in filters:
            assert [row.seq for row in admin.events(limit=200, **said)] == _descending(ALL - lost), said
