"""Where the stores of tests are: each promise is made on a SQLite file and on a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ready_stores import file_at


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store without an event, of each kind."""
    if request.param == "sqlite":
        return file_at(tmp_path / "gateway.db")
    return str(request.getfixturevalue("postgres_store_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def untouched(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a place without a store, of each kind: for what is told of the first start."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/gateway.db"
    return str(request.getfixturevalue("postgres_url"))
