"""A page of events costs what it shows, not what is stored: a type or a source is found along its index."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.store.admin import event_search
from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Store
from tests.store.kit import beside, event, new, take

TYPES = [f"recording.kind{n}" for n in range(7)]


async def fill(store: Store) -> None:
    await take(store, *[new(event(n, type=TYPES[n % 7], source=f"live-{n % 3}")) for n in range(1, 60)])


@pytest.mark.parametrize("type", [None, "recording.kind2", "recording.*", "*kind[36]", "nothing", "*"])
@pytest.mark.parametrize("source", [None, "live-1", "nobody"])
async def test_the_merge_of_kinds_finds_what_looking_at_every_row_finds(
    store: Store,
    url: str,
    admins: Callable[..., StoreAdmin],
    monkeypatch: pytest.MonkeyPatch,
    type: str | None,
    source: str | None,
) -> None:
    await fill(store)
    admin = admins()
    first = admin.events(type=type, source=source, limit=10)
    older = admin.events(type=type, source=source, limit=10, before=first[-1].seq if first else None)
    monkeypatch.setattr(event_search, "_KINDS_MAX", 0)  # past it every row is looked at
    assert first == admin.events(type=type, source=source, limit=10)
    assert older == admin.events(type=type, source=source, limit=10, before=first[-1].seq if first else None)


async def test_a_page_of_one_type_reads_its_rows_along_the_index(store: Store, url: str) -> None:
    await fill(store)
    with beside(url) as session:
        merged = event_search._of_kinds(
            session, event_search._COLUMNS, "", event_search.EventFilter(type="recording.kind2")
        )
        assert merged is not None
        statement, values = merged
        if session.backend == "sqlite":
            plan = session.rows(f"EXPLAIN QUERY PLAN {statement}", {**values, "before": 10**9, "most": 10})
            looks = [str(row[3]) for row in plan if "events" in str(row[3])]
            assert looks
            assert all("SEARCH" in look and "events_kind (type=? AND source=? AND seq<?)" in look for look in looks)
        else:
            session.rows("SET enable_seqscan = off")
            plan = session.rows(f"EXPLAIN {statement}", {**values, "before": 10**9, "most": 10})
            text = "\n".join(str(row[0]) for row in plan)
            assert "events_kind" in text
            assert "type = 'recording.kind2'" in text.replace("::text", "").replace("(type)", "type")
            assert "Seq Scan" not in text


async def test_the_next_type_and_source_are_sought_and_not_read_row_by_row(store: Store, url: str) -> None:
    await fill(store)
    with beside(url) as session:
        values = {"type": "recording.kind1", "source": ""}
        if session.backend == "sqlite":
            plan = session.rows(f"EXPLAIN QUERY PLAN {event_search._NEXT_KIND}", values)
            looks = [str(row[3]) for row in plan if "events" in str(row[3])]
            assert len(looks) == 2
            assert "SEARCH events USING COVERING INDEX events_kind (type=? AND source>?)" in looks
            assert "SEARCH events USING COVERING INDEX events_kind (type>?)" in looks
        else:
            session.rows("SET enable_seqscan = off")
            text = "\n".join(str(row[0]) for row in session.rows(f"EXPLAIN {event_search._NEXT_KIND}", values))
            assert text.count("events_kind") == 2
            assert "Seq Scan" not in text


async def test_the_types_and_sources_are_found_in_order_and_each_once(store: Store, url: str) -> None:
    await fill(store)
    with beside(url) as session:
        there = sorted({(str(row[0]), str(row[1])) for row in session.rows("SELECT type, source FROM events")})
        found = [("", "")]
        while rows := session.rows(event_search._NEXT_KIND, {"type": found[-1][0], "source": found[-1][1]}):
            found.append((str(rows[0][0]), str(rows[0][1])))
        assert len(there) > 1
        assert found[1:] == there
