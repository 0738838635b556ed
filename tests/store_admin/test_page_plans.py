"""A filtered page is found along an index, or says how far it looked: what is stored beside it costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.admin import audit, event_search, pages, partial_indexes
from gateway.store.admin.admin import Actor, StoreAdmin
from gateway.store.admin.audit import AuditEntry
from gateway.store.admin.event_search import EventFilter
from gateway.store.admin.search_budget import SearchBudget
from gateway.store.engine.batch import Bulk
from gateway.store.engine.session import Session
from gateway.store.records import NewDelivery
from gateway.store.store import Store
from tests.store.kit import beside, event, new, take

ROWS = 60


async def fill(store: Store) -> None:
    to = (NewDelivery(sink="app"),)
    await take(
        store,
        *[new(event(n, type=f"recording.kind{n % 3}", source="live")).replace(deliveries=to) for n in range(ROWS)],
    )


def plan(session: Session, statement: str, **values: Any) -> list[str]:
    """What the database looks at, and along what."""
    if session.backend == "sqlite":
        return [str(row[3]) for row in session.rows(f"EXPLAIN QUERY PLAN {statement}", values)]
    session.rows("SET enable_seqscan = off")
    return [str(row[0]) for row in session.rows(f"EXPLAIN {statement}", values)]


class Counted:
    """A session that counts the rows it gives."""

    def __init__(self, session: Session) -> None:
        self._session, self.looked = session, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def rows(self, statement: str, values: Any = None) -> Any:
        rows = self._session.rows(statement, values or {})
        self.looked += len(rows)
        return rows


@pytest.mark.parametrize("column", ["act", "actor"])
async def test_acts_of_a_glob_are_read_along_their_index(store: Store, url: str, column: str) -> None:
    with beside(url) as session:
        for statement in (
            audit._NEXT_NAME.format(column=column),
            audit._PAGE.format(condition=f"{column} = :name AND "),
        ):
            values = {"name": "x"} | ({"before": 10**9, "most": 10} if ":before" in statement else {})
            looks = plan(session, statement, **values)
            assert f"audit_{column}" in "\n".join(looks)
            assert not any("SCAN audit" in look or "Seq Scan" in look for look in looks)


@pytest.mark.parametrize(
    ("state", "index"), [("waiting", "deliveries_"), ("sending", "deliveries_"), ("dead", "deliveries_")]
)
@pytest.mark.parametrize("condition", [partial_indexes.DELIVERIES, partial_indexes.EVENTS])
async def test_the_few_open_and_dead_are_read_from_their_index(
    store: Store, url: str, state: str, index: str, condition: str
) -> None:
    await fill(store)
    with beside(url) as session:
        of_events = condition is partial_indexes.EVENTS
        asked = condition.format(indexed=partial_indexes._INDEXED[state])
        statement = (
            event_search._SEARCH.format(held=asked, columns="seq")
            if of_events
            else f"SELECT d.id FROM deliveries d WHERE {asked}d.id <= :before - 1 ORDER BY d.id DESC LIMIT :most"
        )
        for looked_at in (statement, partial_indexes.COUNT.format(indexed=partial_indexes._INDEXED[state])):
            values = {"before": 10**9, "most": 10} if ":before" in looked_at else {"most": 10}
            looks = plan(session, looked_at, **values)
            if session.backend == "sqlite":
                assert any(index in look for look in looks), looks
            assert not any(look.startswith(("SCAN events", "SCAN d")) and index not in look for look in looks), looks


@pytest.mark.parametrize("state", ["waiting", "sending", "dead"])
async def test_the_few_are_what_looking_at_every_row_finds(
    store: Store, admins: Callable[..., StoreAdmin], monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    await fill(store)
    admin = admins(configured=("app",))
    for delivery in admin.deliveries(limit=7):
        admin.cancel(delivery.id)

    def asked() -> tuple[Any, ...]:
        first = admin.events(state=state, limit=4)
        return (
            first,
            admin.events(state=state, limit=4, before=first[-1].seq if first else None),
            admin.events(state=state, type="recording.kind1", limit=50),
            admin.deliveries(state=state, limit=50),
            admin.deliveries(state=state, sink="app", type="recording.kind2", limit=50),
            admin.deliveries(state=state, sink="none", limit=50),
        )

    by_index = asked()
    monkeypatch.setattr(partial_indexes, "LOOKED_AT_ROWS_MAX", -1)
    assert asked() == by_index


async def test_a_page_of_one_type_reads_no_more_rows_than_it_shows(store: Store, url: str) -> None:
    await fill(store)
    with beside(url) as session:
        counted: Any = Counted(session)
        found = event_search.ids(counted, EventFilter(type="recording.kind1"), limit=5, before=None)
        assert len(found) == 5
        assert counted.looked <= 5 + 4  # and one row for each kind that there is


async def test_a_search_that_finds_nothing_ends_early_and_goes_on_from_there(
    store: Store, admins: Callable[..., StoreAdmin], monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store)
    admin = admins(configured=("app", "quiet"))
    monkeypatch.setattr(pages, "_WINDOW_ROWS", 10)
    before, looked, searches = None, 0, 0
    while True:
        budget = SearchBudget(cpu_seconds=0.0)
        assert not admin.deliveries(sink="quiet", limit=5, before=before, budget=budget)
        looked, searches = looked + budget.looked, searches + 1
        if budget.cut_at is None:
            break
        assert before is None or budget.cut_at < before
        before = budget.cut_at
    assert (looked, searches) == (ROWS, ROWS // 10 + 1)


def acts(session: Bulk) -> None:
    for n in range(500):
        audit.begin_act(
            session,
            AuditEntry(actor=Actor(f"user{n % 3}", "here"), act=("sinks pause", "sinks resume")[n % 2], target=str(n)),
        )


async def test_the_audit_log_is_merged_by_glob_and_walked_for_the_rest(
    store: Store, admins: Callable[..., StoreAdmin], monkeypatch: pytest.MonkeyPatch, clock: FrozenClock
) -> None:
    admin = admins()
    admin._connections.change(acts)

    def asked() -> tuple[Any, ...]:
        first = admin.audit(act="sinks*", limit=5)
        return (
            first,
            admin.audit(act="sinks*", limit=200, before=first[-1].id),
            admin.audit(act="*kind1", actor="user[12]", limit=50),
            admin.audit(actor="user[12]", target="7", limit=5),
            admin.audit(act="nothing*", limit=5),
        )

    merged = asked()
    assert len(merged[0]) == 5
    assert [row.target for row in merged[3]] == ["7"]
    assert not merged[4]
    monkeypatch.setattr(audit, "_NAMES_MAX", -1)
    assert asked() == merged
    budget = SearchBudget(cpu_seconds=0.0)
    assert not admin.audit(target="1", limit=5, budget=budget)
    assert budget.looked == pages.PAGE_ROWS_MAX
    assert [row.target for row in admin.audit(target="1", limit=5, before=budget.cut_at)] == ["1"]
