"""What follows on a delivery, and what a long one says, cost the same with a thousand rows waiting as with twenty thousand."""

from __future__ import annotations

import pytest

from gateway.model import RECORDING_ARCHIVED, Cause
from gateway.store.admin import erasure, event_full
from gateway.store.outbox import settle
from gateway.store.outbox import statements as sql
from gateway.store.outbox.counts import under_way
from gateway.store.outbox.settle import settle_with
from gateway.store.postgres.batch import PostgresBulk
from gateway.store.sqlite.batch import SqliteBulk
from tests.store.kit import LEASE, event, new, settlement
from tests.store.test_plans import VALUES, filled, post, touched

__all__ = ["post"]  # the fixture

STATEMENTS = {
    "keep alive": sql.KEEP_ALIVE,
    "under way": sql.UNDER_WAY,
    "children": event_full._CHILDREN,
    "following": erasure._FOLLOWING,
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_on_sqlite_none_of_it_scans(lite: SqliteBulk, name: str) -> None:
    filled(lite, 20, 0)
    plan = [row[3] for row in lite.rows("EXPLAIN QUERY PLAN " + STATEMENTS[name], {**VALUES, "progress": None})]
    assert [line for line in plan if line.startswith("SCAN")] == []


@pytest.mark.whole_server
def test_on_postgresql_none_of_it_reads_the_backlog(post: PostgresBulk) -> None:
    filled(post, 3_500, 0)
    post.change("ANALYZE")
    ((leased,),) = post.rows("SELECT min(id) FROM deliveries WHERE rank = 3")
    follow_up = new(event(90, type=RECORDING_ARCHIVED, cause=Cause("x", "app"), depth=1), "app")
    works = {
        "follow-up": (lambda: settle_with(post, settlement((leased, 1)), [follow_up], "me"), 320),
        "keep alive": (lambda: settle.keep_alive(post, leased, 1, LEASE, "{}", None), 40),
        "under way": (lambda: under_way(post, "nobody"), 80),
        "children": (lambda: post.rows(event_full._CHILDREN, {"ref": "x", "source": "s"}), 80),
        "following": (lambda: post.rows(erasure._FOLLOWING, {"seq": 5, "ref": "x"}), 80),
    }
    for name, (work, pages_max) in works.items():
        for table, (rows, pages) in touched(post, work).items():
            assert rows == 0, (name, table, rows)
            assert pages <= pages_max, (name, table, pages)
