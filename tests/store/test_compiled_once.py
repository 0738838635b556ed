"""SQLite compiles a statement of the hot path once, not at every run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.runtime.clock import FrozenClock
from gateway.store.engine.migrations import migrate
from gateway.store.sqlite.batch import SqliteBulk
from gateway.store.sqlite.session import make_file
from tests.store.backlogs import filled, jobs_of, steps


@pytest.fixture
def lite(tmp_path: Path, clock: FrozenClock) -> Iterator[SqliteBulk]:
    make_file(tmp_path / "g.db")
    session = SqliteBulk(tmp_path / "g.db", clock)
    session.change("PRAGMA synchronous=OFF")
    migrate(session, "x")
    yield session
    session.close()


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
