"""A table that is not as the columns want it: every problem at once, before the first row, and what was mended is seen."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest

from gateway import (
    FILE_COMPLETED,
    RECORDING_STARTED,
    Refused,
    Unavailable,
)
from gateway.testing import FrozenClock, delivery, event
from tests.sinks.database.conftest import Place, making

# --- what is found when it opens --------------------------------------------------------------------------------------


async def _failure(place: Place, logged: list[Any] | None = None, **options: Any) -> str:
    async with making(place.url, opened=False, logged=logged, **options) as sink:
        with pytest.raises(Unavailable) as failed:
            await sink.open()
        with pytest.raises(Unavailable):  # a delivery that comes by all the same says the same
            await sink.deliver(delivery())
    return failed.value.detail


async def test_every_problem_with_a_table_is_said_at_once(place: Place) -> None:
    place.run(
        "CREATE TABLE media (id VARCHAR(64) NOT NULL, title VARCHAR(40), width INTEGER, must INTEGER NOT NULL, kind INTEGER)"
    )
    columns = {"id": "event.id", "titel": "event.data.stream", "width": "file.width"}
    logged: list[Any] = []
    said = await _failure(place, logged, table="media", columns=columns)
    assert "there is no column titel; did you mean 'title'?" in said
    assert "column must takes no null and has no default" in said
    assert "no primary key or unique index is on exactly (id)" in said
    assert [entry["event"] for entry in logged] == ["table_does_not_fit"] * 2
    assert len(logged[0]["problems"]) == 3


async def test_values_that_never_fit_their_column_are_found_on_samples(place: Place) -> None:
    place.run("CREATE TABLE media (id VARCHAR(64) PRIMARY KEY, width INTEGER, at DATE, must INTEGER NOT NULL)")
    columns = {"id": "event.id", "width": "file.format", "at": "event.data.stream", "must": "event.data.extra.nothing"}
    said = await _failure(place, table="media", columns=columns)
    assert "column width (INTEGER) gets a text, and it holds whole numbers" in said.replace("INTEGER(11)", "INTEGER")
    assert "column at (DATE) gets a text that is no time" in said
    assert "column must" in said
    assert "it takes no null" in said


async def test_a_table_that_is_not_there_is_made_only_without_columns_and_only_where_wanted(place: Place) -> None:
    assert "there is no table media" in await _failure(place, table="media", columns={"id": "event.id"})
    assert "there is no table recordings" in await _failure(place, create=False)
    async with making(place.url) as sink:
        await sink.deliver(delivery())
    async with making(place.url, create=False) as sink:
        await sink.deliver(delivery())


async def test_a_table_of_another_make_is_not_taken_for_the_gateways_own(place: Place) -> None:
    place.run("CREATE TABLE recordings (event_id VARCHAR(64) PRIMARY KEY, stream VARCHAR(9))")
    said = await _failure(place)
    assert "there is no column file_index" in said
    async with making(place.url, table="other"):
        pass
    assert "there is no column row_key" in await _failure(place, table="other", key="job_id")


async def test_a_table_that_is_mended_is_found_mended(place: Place) -> None:
    async with making(place.url, opened=False, table="media", columns={"id": "event.id"}) as sink:
        with pytest.raises(Unavailable):
            await sink.open()
        place.run("CREATE TABLE media (id VARCHAR(64) PRIMARY KEY)")
        await sink.open()
        await sink.deliver(delivery())
    assert len(place.run("SELECT * FROM media")) == 1


async def test_a_column_that_was_widened_is_seen_within_a_minute(postgres: Place) -> None:
    clock = FrozenClock()
    postgres.run("CREATE TABLE media (id TEXT PRIMARY KEY, title VARCHAR(10))")
    columns = {"id": "event.id", "title": "event.data.stream"}
    async with making(postgres.url, clock=clock, table="media", columns=columns) as sink:
        long = delivery(event(stream="x" * 20))
        with pytest.raises(Refused):
            await sink.deliver(long)
        postgres.run("ALTER TABLE media ALTER title TYPE TEXT")
        with pytest.raises(Refused):
            await sink.deliver(long)
        clock.advance(61)
        assert await sink.deliver(long) == "1 row"


async def test_a_table_that_stops_to_fit_is_looked_at_again(place: Place) -> None:
    place.run("CREATE TABLE media (id VARCHAR(64) PRIMARY KEY, title VARCHAR(99))")
    columns = {"id": "event.id", "title": "event.data.stream"}
    async with making(place.url, table="media", columns=columns) as sink:
        await sink.deliver(delivery())
        place.run("DROP TABLE media", "CREATE TABLE media (id VARCHAR(64) PRIMARY KEY, name VARCHAR(99))")
        with pytest.raises(Unavailable):
            await sink.deliver(delivery())
        with pytest.raises(Unavailable, match="there is no column title"):
            await sink.deliver(delivery())


async def test_mysql_is_not_told_to_overwrite_the_row_that_another_index_finds(mysql: Place) -> None:
    mysql.run("CREATE TABLE media (id VARCHAR(64) PRIMARY KEY, url VARCHAR(100) UNIQUE)")
    said = await _failure(mysql, table="media", columns={"id": "event.id", "url": "file.play_url"})
    assert "another unique index is on (url)" in said


@pytest.mark.parametrize(
    "index",
    [
        "CREATE UNIQUE INDEX i ON media (id) WHERE n > 1",
        "CREATE UNIQUE INDEX i ON media (lower(id))",
        "CREATE INDEX i ON media (id)",
    ],
)
async def test_an_index_that_does_not_cover_every_row_is_no_key(index: str, postgres: Place) -> None:
    postgres.run("CREATE TABLE media (id TEXT, n INTEGER)", index)
    assert "no primary key or unique index" in await _failure(postgres, table="media", columns={"id": "event.id"})
    postgres.run("CREATE UNIQUE INDEX j ON media (id)")
    async with making(postgres.url, table="media", columns={"id": "event.id"}) as sink:
        await sink.deliver(delivery())


async def test_a_column_that_the_database_makes_is_left_to_it(postgres: Place) -> None:
    postgres.run(
        "CREATE TABLE media (n BIGINT GENERATED ALWAYS AS IDENTITY, id TEXT PRIMARY KEY, up TEXT GENERATED ALWAYS AS (upper(id)) STORED)"
    )
    said = await _failure(postgres, table="media", columns={"id": "event.id", "n": "1", "up": "event.id"})
    assert said.count("the database makes the values of column") == 2
    async with making(postgres.url, table="media", columns={"id": "event.id"}) as sink:
        await sink.deliver(delivery())


async def test_a_table_may_be_in_a_schema(postgres: Place) -> None:
    postgres.run("CREATE SCHEMA video")
    async with making(postgres.url, table="video.recordings") as sink:
        await sink.deliver(delivery())
    assert len(postgres.run("SELECT * FROM video.recordings")) == 1
    assert "3F000" in await _failure(postgres, table="nowhere.recordings")


async def test_postgresqls_own_types_are_filled(postgres: Place) -> None:
    postgres.run(
        "CREATE TYPE state AS ENUM ('recording.failed', 'recording.file.completed')",
        "CREATE TABLE media (id UUID PRIMARY KEY, kind state, tags TEXT[], raw BYTEA, host INET, at TIMESTAMP, x DOUBLE PRECISION, long INTERVAL, big BIGINT)",
    )
    columns = {
        "id": "event.id", "kind": "event.type", "tags": "[event.data.app, event.data.stream]", "raw": "b'ab'",
        "host": "'192.0.2.1'", "at": "event.time", "x": "1", "long": "duration('90s')", "big": "string(7)",
    }  # fmt: skip
    async with making(postgres.url, table="media", columns=columns) as sink:
        await sink.deliver(delivery(event(FILE_COMPLETED)))
        with pytest.raises(Refused, match=r"column kind .*none of its values"):
            await sink.deliver(delivery(event(RECORDING_STARTED)))
    [row] = postgres.run("SELECT * FROM media")
    assert row["id"] == uuid.UUID(event(FILE_COMPLETED).id)
    assert (row["tags"], row["raw"], str(row["host"]), row["big"]) == (["live", "mystream"], b"ab", "192.0.2.1", 7)
    assert row["at"] == dt.datetime(2026, 1, 1, 12, 2)
    assert row["long"] == dt.timedelta(seconds=90)
