"""Dead letters by sink and reason are counted along their index, and no further than a page needs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.store.admin import dead_letters
from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Store
from tests.store.kit import beside, event, new, take


async def test_dead_letters_are_counted_by_sink_and_reason_and_not_beyond_what_is_shown(
    store: Store, admins: Callable[..., StoreAdmin], monkeypatch: pytest.MonkeyPatch
) -> None:
    await take(store, *[new(event(n), "a") for n in range(1, 6)])
    admin = admins()
    assert admin.ask(dead_letters.dead_letters) == []
    rows = admin.deliveries(limit=10)
    for row in rows[:3]:
        admin.cancel(row.id)
    sink = rows[0].sink
    assert admin.ask(dead_letters.dead_letters) == [(sink, "cancelled", 3, False)]
    monkeypatch.setattr(dead_letters, "COUNTED_MAX", 2)
    assert admin.ask(dead_letters.dead_letters) == [(sink, "cancelled", 2, True)]


async def test_the_count_of_dead_letters_reads_its_rows_along_the_index(store: Store, url: str) -> None:
    await take(store, new(event(1), "a"))
    with beside(url) as session:
        if session.backend != "sqlite":
            return  # the same partial index; the planner of a table of one row takes none
        plan = session.rows(f"EXPLAIN QUERY PLAN {dead_letters._BY_REASON}", {"sink": "a", "most": 10})
        assert any("SEARCH deliveries USING INDEX deliveries_dead (sink=?" in str(row[3]) for row in plan)
