"""Two gateways that make the table at once, on PostgreSQL: whoever is told that it is there already goes on with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg import errors as pg
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ProgrammingError

from gateway import Unavailable
from gateway.testing import delivery, event
from tests.sinks.database.conftest import Place, making

Plant = Callable[[Callable[[str], None]], None]


@pytest.fixture
def at_create(request: pytest.FixtureRequest) -> Plant:
    """Something to happen just before the sink makes its table."""

    def plant(happen: Callable[[str], None]) -> None:
        def before(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            if "CREATE TABLE" in statement:
                happen(statement)

        sa.event.listen(Engine, "before_cursor_execute", before)
        request.addfinalizer(lambda: sa.event.remove(Engine, "before_cursor_execute", before))

    return plant


@pytest.mark.parametrize("state", ["42P07", "42710", "23505"])
async def test_whoever_loses_the_race_goes_on_with_the_winners_table(
    postgres: Place, at_create: Plant, state: str
) -> None:
    tried = []

    def win(statement: str) -> None:
        tried.append(statement)
        postgres.run(statement)
        raise ProgrammingError(statement, {}, pg.lookup(state)("already exists"))

    at_create(win)
    async with making(postgres.url) as sink:
        assert await sink.deliver(delivery(event())) == "1 row"
    assert len(tried) == 1
    assert len(postgres.run("SELECT * FROM recordings")) == 1


@pytest.mark.parametrize("state", ["42P07", "42710", "23505"])
async def test_a_name_that_is_taken_by_no_table_is_said(postgres: Place, at_create: Plant, state: str) -> None:
    def refuse(statement: str) -> None:
        raise ProgrammingError(statement, {}, pg.lookup(state)("already exists"))

    at_create(refuse)
    with pytest.raises(Unavailable, match=state):
        async with making(postgres.url):
            pass


async def test_a_type_of_that_name_is_said_in_the_servers_words(postgres: Place) -> None:
    postgres.run("CREATE TYPE recordings AS ENUM ('a')")
    with pytest.raises(Unavailable, match='42710 DuplicateObject: type "recordings" already exists'):
        async with making(postgres.url):
            pass
