"""The folder that a feed lies in: what is wrong with it opens the circuit in words, and several gateways may write it."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest

from gateway import Unavailable
from tests.sinks.disks import read_only
from tests.sinks.feed.feeds import (
    feeding,
    finished,
    streams,
)


async def test_two_gateways_on_one_folder_lose_nothing_of_each_other(tmp_path: Path) -> None:
    async with feeding(tmp_path) as first, feeding(tmp_path) as second:
        numbers = range(20)
        await asyncio.gather(*[(first, second)[number % 2].deliver(finished(number)) for number in numbers])
    assert streams(tmp_path) == [f"s{number}" for number in reversed(numbers)]


async def test_a_damaged_state_and_a_folder_that_is_gone_or_unsafe_open_the_circuit_in_words(tmp_path: Path) -> None:
    folder = tmp_path / "feed"
    for spoil, words in (
        (lambda: None, "the folder is not there: make it"),
        (lambda: (folder.mkdir(), folder.chmod(0o777)), "writable by everybody"),
        (
            lambda: (folder.chmod(0o700), (folder / ".feed-state.json").write_text("{")),
            "is damaged or of a newer program",
        ),
        (lambda: (folder / ".feed-state.json").write_text('{"form":2}'), "is damaged or of a newer program"),
    ):
        spoil()
        with pytest.raises(Unavailable, match=words) as caught:
            async with feeding(folder):
                pass
        assert str(tmp_path) not in str(caught.value)
    (folder / ".feed-state.json").unlink()
    (folder / "feed.xml").symlink_to(tmp_path / "elsewhere")
    async with feeding(folder) as sink:
        await sink.deliver(finished(1))
    assert not (tmp_path / "elsewhere").exists()


async def test_a_person_can_ask_whether_the_folder_can_be_written(tmp_path: Path) -> None:
    async with feeding(tmp_path) as sink:
        assert await sink.connect() == f"{tmp_path.name} can be written"
        with read_only(tmp_path), pytest.raises(Unavailable, match=f"{tmp_path.name}: (permission denied|read-only)"):
            await sink.connect()


@pytest.mark.parametrize(("number", "written"), [(errno.ENOLCK, True), (errno.EIO, False)])
async def test_a_disk_without_locks_is_written_by_one_alone_and_a_broken_one_by_nobody(
    number: int, written: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("plugins.sinks.feed.folder.fcntl.flock", no_locks)
    if written:
        async with feeding(tmp_path) as sink:
            assert await sink.deliver(finished(1)) == "listed"
        return
    with pytest.raises(Unavailable, match="input/output error"):
        async with feeding(tmp_path):
            pass
    assert "feed.xml" not in os.listdir(tmp_path)


async def test_a_state_that_is_longer_than_any_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.sinks.feed.folder.STATE_BYTES_MAX", 100)
    (tmp_path / ".feed-state.json").write_bytes(b" " * 101)
    with pytest.raises(Unavailable, match="too large"):
        async with feeding(tmp_path):
            pass
