"""A new file by size and day: nothing is lost, nothing is overwritten."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from gateway.testing import FrozenClock, delivery, event
from tests.sinks.written_lines import lines, names, writing


async def test_a_file_moved_away_by_another_program_is_begun_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    async with writing(path) as sink:
        await sink.deliver(delivery())
        path.rename(tmp_path / "moved")
        await sink.deliver(delivery())
    assert len(lines(path)) == len(lines(tmp_path / "moved")) == 1


# -- rotation


async def test_a_new_file_is_begun_before_the_size_is_passed_and_nothing_is_lost(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.jsonl", FrozenClock()
    async with writing(path, clock, rotate={"size": "4KiB", "keep": 100}) as sink:
        for number in range(20):
            await sink.deliver(delivery(event(number=number)))
    files = [tmp_path / name for name in names(tmp_path)]
    assert len(files) > 3
    assert all(file.stat().st_size <= 4096 for file in files)
    written = [entry["id"] for file in files if file != path for entry in lines(file)] + [e["id"] for e in lines(path)]
    assert written == [event(number=number).id for number in range(20)]
    assert "events.20260101T000000000Z.jsonl" in {file.name for file in files}


async def test_an_event_larger_than_the_size_still_gets_its_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    async with writing(path, rotate={"size": 1024}) as sink:
        await sink.deliver(delivery(event(stream="x" * 5000)))
        await sink.deliver(delivery(event(stream="x" * 5000)))
    assert len(lines(path)) == 1
    assert len(names(tmp_path)) == 2


async def test_a_new_file_is_begun_on_each_day_and_old_ones_go(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.jsonl", FrozenClock()
    (tmp_path / "events.bystander.jsonl").write_text("not ours")
    async with writing(path, clock, rotate={"daily": True, "keep": 2}) as sink:
        for day in range(5):
            await sink.deliver(delivery(event(number=day)))
            clock.advance(3600)
            await sink.deliver(delivery(event(number=day)))
            clock.advance(23 * 3600)
    assert names(tmp_path) == [
        "events.20260104T000000000Z.jsonl",
        "events.20260105T000000000Z.jsonl",
        "events.bystander.jsonl",
        "events.jsonl",
    ]
    assert [len(lines(path)), lines(path)[0]["id"]] == [2, event(number=4).id]


async def test_after_a_restart_the_file_itself_says_of_which_day_it_is(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.jsonl", FrozenClock(datetime(2026, 1, 2, 1, tzinfo=UTC))
    path.write_text('{"of": "yesterday"}\n')
    yesterday = datetime(2026, 1, 1, 23, tzinfo=UTC).timestamp()
    os.utime(path, (yesterday, yesterday))
    async with writing(path, clock, rotate={"daily": True}) as sink:
        await sink.deliver(delivery())
    assert len(lines(path)) == 1
    assert lines(tmp_path / "events.20260102T010000000Z.jsonl") == [{"of": "yesterday"}]


async def test_two_rotations_in_one_moment_overwrite_nothing(tmp_path: Path) -> None:
    path, clock = tmp_path / "events.jsonl", FrozenClock()
    async with writing(path, clock, rotate={"size": 1024}) as sink:
        for number in range(3):
            await sink.deliver(delivery(event(number=number, stream="x" * 2000)))
    assert names(tmp_path) == [
        "events.20260101T000000000Z.jsonl",
        "events.20260101T000000001Z.jsonl",
        "events.jsonl",
    ]
