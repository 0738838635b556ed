"""To look for a file by its place costs the same among a thousand places as among twenty thousand."""

from __future__ import annotations

import pytest

from gateway.store.outbox import file_places
from gateway.store.postgres.batch import PostgresBulk
from gateway.store.sqlite.batch import SqliteBulk
from tests.store.test_plans import VALUES, filled, post, touched

__all__ = ["post"]  # the fixture

MANY = {**VALUES, "place": b"p", "type": "t"}
STATEMENTS = {
    "known": file_places._KNOWN,
    "stands there": file_places._STANDING,
    "of a source": file_places._OF_SOURCE,
    "forget": file_places._FORGET,
}
PLACES = """INSERT INTO file_places (source, place, id, listed, trust, seen_at)
  SELECT 'live', e.fingerprint, e.id, 0, 0, 1 FROM events e"""


@pytest.mark.parametrize("name", STATEMENTS)
def test_on_sqlite_none_of_it_scans(lite: SqliteBulk, name: str) -> None:
    filled(lite, 20, 0)
    lite.change(PLACES)
    plan = [row[3] for row in lite.rows("EXPLAIN QUERY PLAN " + STATEMENTS[name], MANY)]
    assert [line for line in plan if line.startswith("SCAN")] == []


@pytest.mark.whole_server
def test_on_postgresql_none_of_it_reads_the_backlog(post: PostgresBulk) -> None:
    filled(post, 3_500, 0)
    post.change(PLACES)
    post.change("ANALYZE")
    of = {"source": "live", "place": b"p"}
    works = {
        "known": lambda: post.rows(file_places._KNOWN, of),
        "stands there": lambda: post.rows(file_places._STANDING, {"source": "live", "id": "x"}),
        "of a source": lambda: post.rows(
            file_places._OF_SOURCE, {"type": "t", "source": "live", "after": 0, "most": 9}
        ),
    }
    for name, work in works.items():
        for table, (rows, pages) in touched(post, work).items():
            assert rows == 0, (name, table, rows)
            assert pages <= 80, (name, table, pages)
