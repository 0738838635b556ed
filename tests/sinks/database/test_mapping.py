"""A table of somebody else's: expressions for its columns, looked at before the first row, all problems at once."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import ValidationError

from gateway import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    File,
    Refused,
    Unavailable,
    to_json,
)
from gateway.testing import NOW, FrozenClock, delivery, event
from plugins.sinks.database import Database
from tests.sinks.database.conftest import Place, making

TABLES = {
    "sqlite": """CREATE TABLE media (
        id INTEGER PRIMARY KEY, event TEXT NOT NULL, number INTEGER NOT NULL, title VARCHAR(10), seconds INTEGER, price NUMERIC(6,2),
        hot BOOLEAN, at DATETIME, day DATE, more JSON, state TEXT NOT NULL DEFAULT 'new', UNIQUE (event, number))""",
    "postgresql": """CREATE TABLE media (
        id SERIAL PRIMARY KEY, event TEXT NOT NULL, number SMALLINT NOT NULL, title VARCHAR(10), seconds INTEGER, price NUMERIC(6,2),
        hot BOOLEAN, at TIMESTAMPTZ, day DATE, more JSONB, state TEXT NOT NULL DEFAULT 'new', UNIQUE (event, number))""",
    "mysql": """CREATE TABLE media (
        id INTEGER PRIMARY KEY AUTO_INCREMENT, event VARCHAR(64) NOT NULL, number SMALLINT UNSIGNED NOT NULL, title VARCHAR(10) CHARACTER SET utf8mb4,
        seconds INTEGER, price NUMERIC(6,2), hot BOOLEAN, at DATETIME(3), day DATE, more JSON, state VARCHAR(9) NOT NULL DEFAULT 'new',
        UNIQUE (event, number))""",
}  # fmt: skip
COLUMNS = {
    "event": "event.id",
    "number": "index",
    "title": "event.data.stream",
    "seconds": "file.duration_seconds",
    "price": "file.duration_seconds * 0.015",
    "hot": "event.type == 'recording.failed'",
    "at": "event.data.received_at",
    "day": "event.data.received_at",
    "more": "{'files': size(event.data.files), 'job': event.data.job_id}",
}


async def test_each_column_gets_what_its_expression_says_in_its_own_type(place: Place) -> None:
    place.run(TABLES[place.kind])
    one = event(stream="录制🎬", files=(File(duration_seconds=90.6),), job_id="j")
    async with making(place.url, table="media", columns=COLUMNS) as sink:
        for _ in range(3):
            await sink.deliver(delivery(one))
    [row] = place.run("SELECT * FROM media")
    more = row.pop("more")
    assert (json.loads(more) if isinstance(more, str) else more) == {"files": 1, "job": "j"}
    at = dt.datetime.fromisoformat(row["at"]) if isinstance(row["at"], str) else row["at"]
    assert at.replace(tzinfo=None) == NOW.replace(tzinfo=None)
    assert str(row["day"]) == "2026-01-01"
    assert (row["event"], row["number"], row["title"], row["seconds"]) == (one.id, 0, "录制🎬", 91)
    assert Decimal(str(row["price"])) == Decimal("1.36") or row["price"] == pytest.approx(1.359)
    assert not row["hot"]
    assert row["state"] == "new", "what is not mapped is left alone"


async def test_what_an_event_lacks_is_null(place: Place) -> None:
    place.run(TABLES[place.kind])
    async with making(place.url, table="media", columns=COLUMNS) as sink:
        await sink.deliver(delivery(event(RECORDING_ENDED)))
    [row] = place.run("SELECT * FROM media")
    assert (row["seconds"], row["price"], row["title"]) == (None, None, "mystream")


ODD: dict[str, Any] = {
    "list": [None, 1, {"x": None}, [None, [None]], {}, ""],
    "map": {"a": None, "b": {"c": None}, "d": []},
    "long": list(range(450)),
    "nested": {"long": [{"n": number, "none": None} for number in range(300)]},
    "none": None,
}
WHOLE: dict[str, tuple[str, Any]] = {
    "null in a list": ("event.data.extra.list", ODD["list"]),
    "null in a map": ("event.data.extra.map", ODD["map"]),
    "long list": ("event.data.extra.long", ODD["long"]),
    "below": ("event.data.extra.nested", ODD["nested"]),
    "indexed": ("event.data.extra.nested['long'][299]", {"n": 299, "none": None}),
    "all of extra": ("event.data.extra", ODD),
    "chosen": ("has(event.data.extra.map) ? event.data.extra.map : {}", ODD["map"]),
    "chosen list": ("size(event.data.extra.long) > 200 ? event.data.extra.long : []", ODD["long"]),
    "absent": ("event.data.extra.nothing", None),
    "null": ("event.data.extra.none", None),
    "count": ("{'n': size(event.data.files), 'm': size(event.data.extra.long)}", {"n": 300, "m": 450}),
    "every file": ("event.data.files.map(f, f.format)", ["hls"] * 300),
    "some files": (
        "event.data.files.filter(f, f.size_bytes > 150).map(f, f.size_bytes)",
        list(range(151, 300)),
    ),
    "with the event": ("event.data.files.map(f, event.data.stream)", ["mystream"] * 300),
    "absent files": ("event.data.files.map(f, has(f.play_url) ? f.play_url : 'none')", ["none"] * 300),
    "exists": ("[event.data.files.exists(f, f.size_bytes == 299)]", [True]),
}


@pytest.mark.parametrize("name", WHOLE)
async def test_what_is_written_is_the_event_whole(name: str, place: Place) -> None:
    text, expected = WHOLE[name]
    place.run("CREATE TABLE odd (id VARCHAR(64) PRIMARY KEY, said TEXT)")
    files = tuple(File(format="hls", size_bytes=number) for number in range(300))
    one = event(files=files, extra=ODD)
    async with making(place.url, table="odd", rows="event", columns={"id": "event.id", "said": text}) as sink:
        await sink.deliver(delivery(one))
    [row] = place.run("SELECT said FROM odd")
    assert (None if row["said"] is None else json.loads(row["said"])) == expected


@pytest.mark.parametrize("text", ["event", "event.data", "event.data.files", "file", "event.data.files[201]"])
async def test_a_column_with_a_part_of_the_event_is_what_is_forwarded(text: str, sqlite: Place) -> None:
    sqlite.run("CREATE TABLE odd (id VARCHAR(64), n INTEGER, said TEXT, PRIMARY KEY (id, n))")
    one = event(files=tuple(File(format="hls", size_bytes=number) for number in range(202)), extra={"a": [None]})
    async with making(sqlite.url, table="odd", columns={"id": "event.id", "n": "index", "said": text}) as sink:
        await sink.deliver(delivery(one))
    rows = sqlite.run("SELECT n, said FROM odd ORDER BY n")
    document = json.loads(to_json(one))
    for row in rows[::60]:
        names = {"event": document, "file": document["data"]["files"][row["n"]]}
        expected = {
            "event": document,
            "event.data": document["data"],
            "event.data.files": document["data"]["files"],
            "file": names["file"],
            "event.data.files[201]": document["data"]["files"][201],
        }[text]
        assert json.loads(row["said"]) == expected


async def test_a_macro_that_cannot_go_over_so_long_a_list_is_refused_and_never_cut(sqlite: Place) -> None:
    sqlite.run("CREATE TABLE odd (id VARCHAR(64) PRIMARY KEY, said TEXT)")
    columns = {"id": "event.id", "said": "string(size(event.data.files.filter(f, has(f.format))))"}
    async with making(sqlite.url, table="odd", rows="event", columns=columns) as sink:
        await sink.deliver(delivery(event(number=1, files=(File(format="hls"),) * 200)))
        with pytest.raises(Refused, match=r"column said: .* a list of it has 201 elements"):
            await sink.deliver(delivery(event(number=2, files=(File(format="hls"),) * 201)))
    assert sqlite.run("SELECT said FROM odd") == [{"said": "200"}]


async def test_a_row_a_file_is_written_for_any_number_of_files(place: Place) -> None:
    place.run(TABLES[place.kind])
    many = event(files=tuple(File(duration_seconds=float(number)) for number in range(450)))
    async with making(place.url, table="media", columns=COLUMNS) as sink:
        assert await sink.deliver(delivery(many)) == "450 rows"
    assert place.run("SELECT count(*) n, max(seconds) m FROM media") == [{"n": 450, "m": 449}]


async def test_a_key_lets_later_events_fill_in_the_same_row_and_the_version_says_which_is_later(place: Place) -> None:
    place.run(
        "CREATE TABLE files (job VARCHAR(64) PRIMARY KEY, state VARCHAR(40), url VARCHAR(200), at VARCHAR(40))",
    )
    columns = {
        "job": "event.data.job_id",
        "state": "event.type",
        "url": "file.download_url",
        "at": "timestamp(event.data.received_at)",
    }
    started = event(FILE_STARTED, job_id="j", number=1)
    done = replace(event(FILE_COMPLETED, job_id="j", number=2), received_at=NOW.replace(microsecond=5000))
    async with making(place.url, table="files", columns=columns, key=["job"], version="at") as sink:
        for one in (done, started, done, started):
            await sink.deliver(delivery(one))
        with pytest.raises(Refused, match="column job is part of the key"):
            await sink.deliver(delivery(event(RECORDING_STARTED)))
        with pytest.raises(Refused, match="several files of this event have the same key"):
            await sink.deliver(delivery(event(job_id="x", files=(File(), File()))))
    [row] = place.run("SELECT * FROM files")
    assert (row["state"], row["url"]) == (FILE_COMPLETED, done.files[0].download_url)


async def test_without_a_version_the_last_to_arrive_wins_but_erases_nothing(place: Place) -> None:
    place.run("CREATE TABLE files (job VARCHAR(64) PRIMARY KEY, state VARCHAR(40), url VARCHAR(200))")
    columns = {"job": "event.data.job_id", "state": "event.type", "url": "file.download_url"}
    async with making(place.url, table="files", columns=columns, key="job") as sink:
        await sink.deliver(delivery(event(FILE_COMPLETED, job_id="j")))
        await sink.deliver(delivery(event(FILE_STARTED, job_id="j")))
    [row] = place.run("SELECT * FROM files")
    assert row["state"] == FILE_STARTED
    assert row["url"]


async def test_a_table_of_nothing_but_its_key_is_written_once(place: Place) -> None:
    place.run("CREATE TABLE seen (id VARCHAR(64) PRIMARY KEY)")
    async with making(place.url, table="seen", rows="event", columns={"id": "event.id"}) as sink:
        for _ in range(3):
            await sink.deliver(delivery())
    assert len(place.run("SELECT * FROM seen")) == 1


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


# --- one event that does not fit ---------------------------------------------------------------------------------------

WRONG: dict[str, tuple[str, Any, str]] = {
    "long text": ("title", "'12345678901'", "a text of 11 characters, and it holds 10"),
    "large": ("seconds", "3000000000", "out of its range, -2147483648 to 2147483647"),
    "digits": ("price", "10000.0", "4 digits before the point"),
    "truth": ("hot", "'yes'", "a text, and it holds true or false"),
    "time": ("at", "7", "a whole number, and it holds times"),
    "number": ("price", "true", "true or false, and it holds numbers"),
    "null": ("number", "null", "is part of the key"),
    "expression": ("seconds", "1 / 0", "its expression fails on this event: ZeroDivisionError"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_value_that_does_not_fit_is_refused_naming_the_column(name: str, place: Place) -> None:
    column, value, said = WRONG[name]
    if name == "truth" and place.kind == "mysql":
        said = "a text, and it holds whole numbers"  # as it knows no BOOLEAN
    if place.kind == "sqlite" and name in {"long text", "large", "digits"}:
        pytest.skip("SQLite has no such limit")
    place.run(TABLES[place.kind])
    good = COLUMNS[column]
    columns = {**COLUMNS, column: f"event.type == 'recording.failed' ? {value} : dyn({good})"}
    async with making(place.url, table="media", columns=columns, key=["event", "number"]) as sink:
        results = await sink.deliver_batch(
            [delivery(event()), delivery(event(RECORDING_FAILED)), delivery(event(number=2))]
        )
    assert [type(result) for result in results] == [str, Refused, str], results
    assert f"column {column}" in str(results[1])
    assert said in str(results[1])
    assert len(place.run("SELECT * FROM media")) == 2


async def test_emoji_in_a_narrow_charset_is_refused_by_the_columns_name(mysql: Place) -> None:
    mysql.run(
        "CREATE TABLE media (id VARCHAR(64) PRIMARY KEY, title VARCHAR(40) CHARACTER SET latin1, t TINYTEXT, s TIMESTAMP NULL)"
    )
    columns = {"id": "event.id", "title": "event.data.stream", "t": "event.data.app", "s": "event.time"}
    async with making(mysql.url, table="media", columns=columns) as sink:
        with pytest.raises(Refused, match=r"1366 .*title") as refused:
            await sink.deliver(delivery(event(stream="🎬")))
        assert "🎬" not in refused.value.detail
        assert "xF0" not in refused.value.detail
        with pytest.raises(Refused, match="a text of 300 bytes, and it holds 255"):
            await sink.deliver(delivery(event(app="é" * 150)))
        with pytest.raises(Refused, match="1970 to 2037"):
            await sink.deliver(delivery(event(time=NOW.replace(year=2040))))


# --- what `gateway check` says -----------------------------------------------------------------------------------------

OURS = {"url": "sqlite:///x.db"}
MAPPED = {**OURS, "columns": {"id": "event.id", "w": "file.width"}}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "column name": ({**OURS, "columns": {"'; drop table events;--": "event.id"}}, "a name of letters, digits and _"),
    "long name": ({**OURS, "columns": {"x" * 64: "event.id"}}, "a name of letters, digits and _"),
    "table name": ({**OURS, "table": "a.b.c"}, "a table or schema.table"),
    "table injection": ({**OURS, "table": "x; drop"}, "a table or schema.table"),
    "syntax": ({**OURS, "columns": {"id": "event.id +"}}, "a CEL expression: "),
    "field": ({**OURS, "columns": {"id": "event.id", "w": "file.widht"}}, "did you mean 'width'?"),
    "file of an event": ({**MAPPED, "rows": "event"}, "there is no name 'file'"),
    "no columns": ({**OURS, "columns": {}}, "at least one column"),
    "no identity": ({**OURS, "columns": {"w": "file.width"}}, "event.id"),
    "twice": ({**OURS, "columns": {"id": "event.id", "ID": "event.id"}}, "is there twice"),
    "key": ({**MAPPED, "key": ["ids"]}, "`key`: `ids` is not in `columns`; did you mean 'id'?"),
    "key twice": ({**MAPPED, "key": ["id", "id"]}, "each column of `key` once"),
    "version": ({**MAPPED, "version": "when"}, "`version`: `when` is not in `columns`"),
    "key of ours": ({**OURS, "key": "job"}, "no column `job`; did you mean 'job_id'?"),
    "version of ours": ({**OURS, "version": "received_at"}, "`version` only with `columns`"),
    "password of a file": ({**OURS, "password": "x"}, "no `password` for a SQLite file"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_in_the_options_is_found_before_anything_runs(name: str) -> None:
    options, said = BAD[name]
    with pytest.raises(ValidationError) as refused:
        Database.Options.model_validate(options)
    assert said in str(refused.value)
