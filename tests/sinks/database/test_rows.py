"""What is in the rows, on every database: the gateway's own table, written once however often it is told."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gateway import (
    FILE_COMPLETED,
    FILE_STARTED,
    RECORDING_ARCHIVED,
    RECORDING_ENDED,
    RECORDING_FAILED,
    RECORDING_STARTED,
    File,
    Refused,
    Retry,
)
from gateway.testing import NOW, FrozenClock, SinkPromises, cases, delivery, event, events
from plugins.sinks.database import Database
from tests.sinks.database.conftest import Place, making


class TestDatabaseKeepsThePromises(SinkPromises):
    sink = Database

    @pytest.fixture(autouse=True)
    def _place(self, place: Place) -> None:
        self.place = place

    def options(self, url: str) -> dict[str, Any]:
        if self.place.kind == "sqlite":
            return {"url": self.place.url}
        mark = "&" if "?" in self.place.url else "?"
        return (
            {"url": f"{self.place.url}{mark}password=url-canary-password"}
            if self.place.kind == "postgresql"
            else {"url": self.place.url}
        )


def moment(value: Any) -> datetime:
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    assert isinstance(value, datetime)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


async def test_a_finished_file_is_one_row_with_everything_known_of_it_in_its_type(place: Place) -> None:
    one = event(extra={"note": "直播 🎬"})
    async with making(place.url) as sink:
        assert await sink.deliver(delivery(one)) == "1 row"
    [row] = place.run("SELECT * FROM recordings")
    [file] = one.files
    assert file.storage
    texts = {
        "event_id": one.id, "file_index": 0, "event_type": one.type, "source": "live", "provider": "sample",
        "vendor_type": one.vendor_type, "trust": "fields", "domain": one.domain, "app": "live", "stream": "mystream",
        "format": "hls", "project_id": one.project_id, "job_id": one.job_id, "task_id": "task-1",
        "download_url": file.download_url, "play_url": file.play_url, "asset_id": file.asset_id, "size_bytes": 3957964,
        "duration_seconds": 120.0, "width": 1280, "height": 720, "storage_location": file.storage.location,
        "storage_bucket": file.storage.bucket, "storage_key": file.storage.key, "error_code": None, "error_message": None,
        "cause_id": None, "cause_sink": None, "sha256": None, "archived_url": None, "expires_at": None,
    }  # fmt: skip
    assert {name: row[name] for name in texts} == texts
    times = {
        "event_time": one.time, "received_at": one.received_at, "started_at": file.started_at, "ended_at": file.ended_at,
        "stored_at": NOW,
    }  # fmt: skip
    assert {name: moment(row[name]) for name in times} == times
    extra = row["extra"]
    assert (json.loads(extra) if isinstance(extra, str) else extra) == {"note": "直播 🎬"}
    assert set(row) == {*texts, *times, "extra"}


async def test_the_copy_of_a_file_is_a_row_that_says_where_it_lies_and_what_it_follows_on(place: Place) -> None:
    one = event(RECORDING_ARCHIVED)
    async with making(place.url) as sink:
        await sink.deliver(delivery(one))
    [row] = place.run("SELECT * FROM recordings")
    [file] = one.files
    assert one.cause
    assert file.archived
    texts = {
        "cause_id": one.cause.id,
        "cause_sink": "archive",
        "sha256": file.sha256,
        "archived_url": file.archived.url,
    }
    assert {name: row[name] for name in texts} == texts
    assert moment(row["expires_at"]) == file.expires_at


async def test_an_event_of_every_type_is_a_row_and_five_times_the_same_is_one(place: Place) -> None:
    async with making(place.url) as sink:
        for one in events():
            for attempt in range(1, 6):
                await sink.deliver(delivery(one, attempt=attempt, replay=attempt > 3))
    rows = place.run("SELECT event_id, event_type FROM recordings")
    assert sorted((row["event_id"], row["event_type"]) for row in rows) == sorted(
        (one.id, one.type) for one in events()
    )


async def test_the_same_event_five_times_by_two_gateways_is_one_row(place: Place) -> None:
    one = event(files=(File(format="hls"), File(format="mp4")))
    async with making(place.url, opened=False) as first, making(place.url, opened=False) as second:
        await asyncio.gather(first.open(), second.open())  # both make the table
        await asyncio.gather(*(sink.deliver(delivery(one)) for _ in range(5) for sink in (first, second)))
    assert [row["format"] for row in place.run("SELECT * FROM recordings ORDER BY file_index")] == ["hls", "mp4"]


async def test_one_row_an_event_keeps_all_its_files(place: Place) -> None:
    one = event(files=(File(format="hls", size_bytes=1), File(format="mp4", size_bytes=2)))
    async with making(place.url, rows="event", table="sessions") as sink:
        assert await sink.deliver(delivery(one)) == "1 row"
        assert await sink.deliver(delivery(one)) == "1 row"
        await sink.deliver(delivery(event(RECORDING_ENDED)))
    done, ended = sorted(place.run("SELECT * FROM sessions"), key=lambda row: -(row["file_count"] or 0))
    files = json.loads(done["files"]) if isinstance(done["files"], str) else done["files"]
    assert [file["size_bytes"] for file in files] == [1, 2]
    assert (done["file_count"], ended["file_count"], ended["files"]) == (2, None, None)


async def test_a_key_joins_a_files_start_to_its_completion_whichever_comes_first(place: Place) -> None:
    started = replace(event(FILE_STARTED, number=1), job_id="job-1", received_at=NOW)
    done = replace(event(FILE_COMPLETED, number=2), job_id="job-1", received_at=NOW + timedelta(minutes=2))
    other = replace(event(FILE_COMPLETED, number=3), job_id="job-2")
    for table, order in (("a", (started, done, started)), ("b", (done, started)), ("c", (done, other, started, done))):
        async with making(place.url, table=table, key="job_id") as sink:
            for one in order:
                await sink.deliver(delivery(one))
        rows = place.run(f"SELECT * FROM {table} WHERE job_id = 'job-1'")
        assert len(rows) == 1
        assert rows[0]["event_type"] == FILE_COMPLETED, "an older event never takes the place of a newer one"
        assert rows[0]["event_id"] == done.id
        assert rows[0]["size_bytes"] == 3957964
        assert moment(rows[0]["received_at"]) == done.received_at


async def test_a_newer_event_without_a_value_erases_none(place: Place) -> None:
    done = replace(event(FILE_COMPLETED, number=1), job_id="job-1")
    ended = replace(event(RECORDING_ENDED, number=2), job_id="job-1", received_at=NOW + timedelta(hours=1))
    async with making(place.url, key=["job_id"]) as sink:
        await sink.deliver_batch([delivery(done), delivery(ended)])
    [row] = place.run("SELECT * FROM recordings")
    assert (row["event_type"], row["size_bytes"]) == (RECORDING_ENDED, 3957964)


async def test_events_that_lack_the_key_have_rows_of_their_own_and_files_of_one_job_too(place: Place) -> None:
    two = event(files=(File(format="hls"), File(format="mp4")))
    starts = [event(RECORDING_STARTED, number=number) for number in (1, 2)]
    async with making(place.url, key=["job_id"]) as sink:
        for one in (two, *starts, *starts):
            await sink.deliver(delivery(one))
    assert len(place.run("SELECT * FROM recordings WHERE job_id IS NOT NULL")) == 2
    assert len(place.run("SELECT * FROM recordings WHERE job_id IS NULL")) == 2


async def test_a_session_is_one_row_that_its_events_fill_in(place: Place) -> None:
    async with making(place.url, rows="event", key=["domain", "app", "stream"]) as sink:
        for minutes, type in enumerate((RECORDING_STARTED, FILE_COMPLETED, RECORDING_FAILED)):
            await sink.deliver(
                delivery(replace(event(type, number=minutes), received_at=NOW + timedelta(minutes=minutes)))
            )
    [row] = place.run("SELECT * FROM recordings")
    assert (row["event_type"], row["file_count"], row["error_code"]) == (RECORDING_FAILED, 1, "PULL_FAILED")
    assert row["files"]


async def test_hostile_text_is_stored_as_it_is(place: Place) -> None:
    async with making(place.url) as sink:
        for number, case in enumerate(cases("stream")):
            await sink.deliver(delivery(event(id=f"{number:032x}", stream=case.value, extra={"k": case.value})))
    for case, row in zip(cases("stream"), place.run("SELECT * FROM recordings ORDER BY event_id"), strict=True):
        assert row["stream"] == case.value, case.id
        assert (json.loads(row["extra"]) if isinstance(row["extra"], str) else row["extra"]) == {"k": case.value}


async def test_what_no_database_stores_is_replaced_and_nothing_is_lost(place: Place) -> None:
    async with making(place.url) as sink:
        await sink.deliver(delivery(event(id="1", stream="a\0b\ud800c", extra={"x\0": ["\0", 2**80, None, True, 1.5]})))
    [row] = place.run("SELECT * FROM recordings")
    assert row["stream"] == "a\ufffdb\ufffdc"


async def test_texts_that_differ_in_case_or_width_are_different(place: Place) -> None:
    async with making(place.url, rows="event", key=["stream"]) as sink:
        for stream in ("live", "Live", "ｌｉｖｅ", "livé"):
            await sink.deliver(delivery(event(stream=stream)))
    assert {row["stream"] for row in place.run("SELECT stream FROM recordings")} == {"live", "Live", "ｌｉｖｅ", "livé"}


async def test_long_text_is_stored_whole(place: Place) -> None:
    long = "录" * 90_000
    async with making(place.url, key=["stream"]) as sink:
        await sink.deliver(delivery(event(stream=long)))
    assert place.run("SELECT stream FROM recordings") == [{"stream": long}]


async def test_a_number_out_of_range_is_refused_by_the_name_of_its_column_and_hurts_no_other(place: Place) -> None:
    bad = event(number=2, files=(File(size_bytes=2**63),))
    async with making(place.url) as sink:
        results = await sink.deliver_batch([delivery(event(number=1)), delivery(bad), delivery(event(number=3))])
        with pytest.raises(Refused, match="size_bytes"):
            await sink.deliver(delivery(bad))
    assert [type(result) for result in results] == [str, Refused, str]
    assert "size_bytes" in str(results[1])
    assert len(place.run("SELECT * FROM recordings")) == 2


async def test_a_batch_is_one_transaction_and_a_row_the_database_refuses_hurts_no_other(place: Place) -> None:
    async with making(place.url) as sink:
        await sink.deliver(delivery(event(number=99)))
        place.run(
            "CREATE UNIQUE INDEX one_size ON recordings (size_bytes)"
            if place.kind != "mysql"
            else "ALTER TABLE recordings ADD CONSTRAINT small CHECK (size_bytes <= 3957964)"
        )
        sized = [event(number=number, files=(File(size_bytes=size),)) for number, size in enumerate((1, 3957964, 2))]
        if place.kind == "mysql":
            sized[1] = event(number=1, files=(File(size_bytes=3957965),))
        results = await sink.deliver_batch([delivery(one) for one in sized])
        assert [type(result) for result in results] == [str, Refused, str]
        assert "3957964" not in str(results[1]), "an error shows names, never values"
        assert await sink.deliver_batch([delivery(one) for one in (sized[0], sized[2])]) == ["1 row", "1 row"]
    assert sorted(row["size_bytes"] for row in place.run("SELECT size_bytes FROM recordings")) == [1, 2, 3957964]


async def test_a_person_can_ask_whether_the_table_fits(place: Place) -> None:
    async with making(place.url) as sink:
        assert await sink.connect() == f"logged in; the {place.kind} table fits"


async def test_an_event_may_be_twice_in_a_batch(place: Place) -> None:
    async with making(place.url) as sink:
        many = [delivery(event(number=number % 3)) for number in range(30)]
        assert await sink.deliver_batch(many) == ["1 row"] * 30
    assert len(place.run("SELECT * FROM recordings")) == 3


async def test_two_gateways_that_write_the_same_rows_the_other_way_round_do_not_hinder_each_other(place: Place) -> None:
    many = [delivery(event(number=number)) for number in range(40)]
    async with making(place.url) as first, making(place.url) as second:
        rounds = await asyncio.gather(
            *(sink.deliver_batch(order) for _ in range(5) for sink, order in ((first, many), (second, many[::-1])))
        )
    failed = [result for results in rounds for result in results if not isinstance(result, str)]
    assert all(isinstance(failure, Retry) for failure in failed)
    assert not failed or place.kind == "mysql", "InnoDB alone may still find a deadlock, and says to try again"
    assert len(place.run("SELECT * FROM recordings")) == 40


async def test_the_time_of_writing_is_that_of_the_last_write(place: Place) -> None:
    clock = FrozenClock()
    async with making(place.url, clock=clock) as sink:
        await sink.deliver(delivery())
        clock.advance(60)
        await sink.deliver(delivery())
    [row] = place.run("SELECT stored_at FROM recordings")
    assert moment(row["stored_at"]) == NOW + timedelta(seconds=60)


async def test_many_at_once_wait_for_a_connection(place: Place) -> None:
    async with making(place.url, connections=2) as sink:
        await asyncio.gather(*(sink.deliver(delivery(event(number=number))) for number in range(50)))
    assert len(place.run("SELECT * FROM recordings")) == 50


async def test_a_preview_shows_the_rows_without_asking_the_database() -> None:
    columns = {"id": "event.id", "w": "file.width", "at": "timestamp(event.time)", "no": "file.asset_id"}
    async with making("mysql://me:canary@nowhere.invalid/d", opened=False, table="media", columns=columns) as sink:
        two = event(files=(File(width=7), File()))
        said = (await sink.preview(delivery(two))).splitlines()
    assert said[0] == "MySQL nowhere.invalid/d, table media, key (id)"
    assert said[2:7] == ["row 1 of 2", f'  id = "{two.id}"', "  w = 7", "  at = 2026-01-01T12:02:00Z", "  no = null"]
    assert "canary" not in str(said)
    async with making("mysql://h/d", opened=False, columns={"id": "event.id", "no": "1 / 0"}) as sink:
        with pytest.raises(Refused, match="column no"):
            await sink.preview(delivery())
