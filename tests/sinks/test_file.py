"""The file sink: whole lines or none, in a file that nobody else put there, and a way back from every trouble."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway import Http, Unavailable, to_document
from gateway.testing import SinkPromises, cases, delivery, event
from plugins.sinks.file import FileOptions, JsonLines
from tests.sinks.written_lines import lines, names, writing


class TestFileKeepsThePromises(SinkPromises):
    sink = JsonLines

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def options(self, url: str) -> Mapping[str, Any]:
        return {"path": str(self.folder / "events.jsonl"), "rotate": {"size": "1MiB"}}


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


async def test_each_event_is_one_line_of_json(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    async with writing(path) as sink:
        for number in range(3):
            await sink.deliver(delivery(event(number=number, stream="直播")))
    assert [entry["id"] for entry in lines(path)] == [event(number=n, stream="直播").id for n in range(3)]
    assert "直播" in path.read_text()
    assert lines(path)[0] == to_document(event(number=0, stream="直播"))


@pytest.mark.parametrize("case", cases("stream"), ids=str)
async def test_hostile_text_stays_inside_its_line(case: Any, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    async with writing(path) as sink:
        await sink.deliver(delivery(event(stream=case.value)))
    text = path.read_text()
    assert len(text.splitlines()) == 1
    assert all(ord(c) >= 0x20 for c in text[:-1])
    assert lines(path)[0]["data"]["stream"] == case.value
    assert os.listdir(tmp_path) == ["events.jsonl"]


async def test_a_batch_is_written_in_order_with_one_result_each(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    async with writing(path) as sink:
        results = await sink.deliver_batch([delivery(event(number=number)) for number in range(5)])
    assert list(results) == [None] * 5
    assert [entry["id"] for entry in lines(path)] == [event(number=number).id for number in range(5)]


async def test_each_line_is_one_write_and_a_batch_one_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def watched(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def call(*args: Any) -> Any:
            calls.append(name)
            return real(*args)

        return call

    path = tmp_path / "events.jsonl"
    path.touch()
    async with writing(path) as sink:
        await sink.deliver(delivery())
        for name in ("write", "fsync"):
            monkeypatch.setattr(os, name, watched(name))
        await sink.deliver_batch([delivery(event(number=number)) for number in range(3)])
        assert calls == ["write"] * 3 + ["fsync"]
    calls.clear()
    async with writing(path, fsync=False) as sink:
        await sink.deliver(delivery())
        assert calls == ["write"]


async def test_many_at_once_do_not_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    async with writing(path, fsync=False) as one, writing(path, fsync=False) as two:
        many = [delivery(event(number=number, stream="x" * 5000)) for number in range(50)]
        await asyncio.gather(*(sink.deliver(item) for sink in (one, two) for item in many))
    assert len(lines(path)) == 100


@pytest.mark.usefixtures("no_umask")
async def test_files_are_for_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    async with writing(path, rotate={"size": 1024}) as sink:
        for number in range(4):
            await sink.deliver(delivery(event(number=number)))
    modes = {name: stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in names(tmp_path)}
    assert len(modes) > 1
    assert set(modes.values()) == {0o600}


def a_link(path: Path) -> None:
    (path.parent / "elsewhere").write_text("")
    path.symlink_to(path.parent / "elsewhere")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def an_open_folder(path: Path) -> None:
    path.parent.chmod(0o1777)


def no_folder(path: Path) -> None:
    path.parent.rmdir()


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (a_link, "symbolic link"),
        (a_pipe, "not a regular file"),
        (an_open_folder, "writable by everybody"),
        (no_folder, "its folder 'in' is not there: make it"),
        (a_folder, "is a directory"),
    ],
)
async def test_a_place_that_is_not_ours_opens_the_circuit_and_is_not_written(
    make: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "in" / "events.jsonl"
    path.parent.mkdir()
    make(path)
    sink = JsonLines("log", FileOptions.model_validate({"path": str(path)}), http=Http(), log=None)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match=words):
        await sink.open()
    with pytest.raises(Unavailable, match=words) as failed:
        await sink.deliver(delivery())
    assert str(tmp_path) not in failed.value.detail
    await sink.close()
    if make is a_link:
        assert (path.parent / "elsewhere").read_text() == ""


async def test_a_folder_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = os.stat(tmp_path).st_uid
    if owner == 0:
        os.chown(tmp_path, 12345, -1)
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1 if owner else 0)
    with pytest.raises(Unavailable, match="another user"):
        async with writing(tmp_path / "events.jsonl"):
            pass


def failing_write(number: int, after: int) -> Callable[[int, bytes], int]:
    """A disk that takes `after` bytes of the next line and is then full."""
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if after:
            return real(descriptor, data[:after])
        raise OSError(number, os.strerror(number))

    return write


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
async def test_a_full_or_broken_disk_opens_the_circuit_and_the_next_try_works(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    async with writing(path) as sink:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", failing_write(number, 0))
            with pytest.raises(Unavailable, match=os.strerror(number).lower()):
                await sink.deliver(delivery())
        await sink.deliver(delivery())
    assert len(lines(path)) == 1


async def test_a_line_that_did_not_fit_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    async with writing(path) as sink:
        await sink.deliver(delivery())
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", failing_write(errno.ENOSPC, 10))
            with pytest.raises(Unavailable, match="no space left"):
                await sink.deliver(delivery())
        assert len(lines(path)) == 1
        await sink.deliver(delivery(event(number=2)))
    assert len(lines(path)) == 2


async def test_half_a_line_left_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text('{"half": ')
    async with writing(path) as sink:
        await sink.deliver(delivery())
    first, second = path.read_text().splitlines()
    assert first == '{"half": '
    assert json.loads(second)["id"] == event().id


@pytest.mark.parametrize("rotate", [{}, {"daily": False}, {"size": 10}, {"size": "1MiB", "keep": 0}])
def test_a_rotation_that_means_nothing_is_refused(rotate: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FileOptions.model_validate({"path": "x.jsonl", "rotate": rotate})


def test_the_path_is_beside_the_configuration_file(tmp_path: Path) -> None:
    assert FileOptions.model_validate({"path": "x.jsonl"}, context={"base": tmp_path}).path == tmp_path / "x.jsonl"
