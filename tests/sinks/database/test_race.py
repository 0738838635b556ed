"""Two gateways that make the table at once: whoever comes second goes on with it, however far the first one was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from psycopg import errors as pg
from sqlalchemy.dialects.sqlite import dialect
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.schema import CreateTable

from gateway import Unavailable
from gateway.testing import delivery, event
from plugins.sinks.database import ddl
from tests.sinks.database.conftest import Place, making

Plant = Callable[[Callable[[str], None]], None]


@pytest.fixture
def at_create(request: pytest.FixtureRequest) -> Plant:
    """Something to happen just before the sink makes its table."""
    return lambda happen: _plant(request, "before", "CREATE TABLE", happen)


def _plant(request: pytest.FixtureRequest, when: str, words: str, happen: Callable[[str], None]) -> None:
    def hook(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if words in statement:
            happen(statement)

    sa.event.listen(Engine, f"{when}_cursor_execute", hook)
    request.addfinalizer(lambda: sa.event.remove(Engine, f"{when}_cursor_execute", hook))


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


async def test_a_table_that_comes_between_two_looks_at_it_is_read_whole(
    sqlite: Place, request: pytest.FixtureRequest
) -> None:
    table = ddl.table("recordings", None, rows="file", key=(), dialect="sqlite")
    made = []

    def win(_statement: str) -> None:
        if not made:
            made.append(table)
            sqlite.run(str(CreateTable(table).compile(dialect=dialect())))

    _plant(request, "after", "temp.table_xinfo", win)  # its columns were asked for, and next whether it is there
    async with making(sqlite.url) as sink:
        assert await sink.deliver(delivery(event())) == "1 row"
    assert made
