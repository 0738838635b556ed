"""A table of somebody else's: expressions for its columns, looked at before the first row, all problems at once."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from gateway import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_ENDED,
    RECORDING_STARTED,
    File,
    Refused,
    to_json,
)
from gateway.testing import NOW, delivery, event
from tests.sinks.database.columns import COLUMNS, TABLES
from tests.sinks.database.conftest import Place, making


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


@pytest.mark.parametrize(
    "text",
    [
        'event.data.extra["a.map("].filter(n, n > 1)',
        'event.data.extra["a.map("] . filter(n, n > 1)',
        "event.data.extra.numbers . filter(n, n > 1)",
    ],
    ids=range(3),
)
async def test_a_list_whose_name_looks_like_a_macro_or_a_macro_apart_from_its_list_says_what_it_says(
    text: str, sqlite: Place
) -> None:
    sqlite.run("CREATE TABLE odd (id VARCHAR(64) PRIMARY KEY, said TEXT)")
    columns = {"id": "event.id", "said": text}
    async with making(sqlite.url, table="odd", rows="event", columns=columns) as sink:
        await sink.deliver(delivery(event(extra={name: [1, 2, 3] for name in ("a.map(", "numbers")})))
        with pytest.raises(Refused, match="201 elements"):
            await sink.deliver(delivery(event(number=2, extra={name: [*range(201)] for name in ("a.map(", "numbers")})))
    assert sqlite.run("SELECT said FROM odd") == [{"said": "[2,3]"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("event.data.extra[1]", None),
        ("event.data.extra[r'a']", "there"),
        ('event.data.extra["""a"""]', "there"),
        ("[1][0]", "1"),
    ],
)
async def test_a_part_that_is_not_named_plainly_is_what_the_expression_says(
    text: str, said: str | None, sqlite: Place
) -> None:
    sqlite.run("CREATE TABLE odd (id VARCHAR(64) PRIMARY KEY, said TEXT)")
    async with making(sqlite.url, table="odd", rows="event", columns={"id": "event.id", "said": text}) as sink:
        await sink.deliver(delivery(event(extra={"a": "there"})))
    assert sqlite.run("SELECT said FROM odd") == [{"said": said}]


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
