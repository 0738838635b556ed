"""SQLite compiles a statement of the hot path once, not at every run."""

from __future__ import annotations

import sqlite3

import pytest

from gateway.store.sqlite.batch import SqliteBulk
from tests.store.backlogs import filled, jobs_of, steps


@pytest.mark.parametrize("name", ["claim", "settle", "accept", "due", "queue", "group", "release", "sinks", "peek"])
def test_on_sqlite_no_work_compiles_its_statements_anew(lite: SqliteBulk, name: str) -> None:
    filled(lite, 100, 0)
    work = jobs_of(lite)[name]
    asked: list[tuple[str | None, ...]] = []

    def allow(_action: int, *about: str | None) -> int:
        asked.append(about)
        return sqlite3.SQLITE_OK

    lite.connection.set_authorizer(allow)  # SQLite asks while it compiles
    steps(lite, work)
    assert asked
    asked.clear()
    steps(lite, work)
    assert asked == []
