"""The console sink: one readable line an event, and nothing in it that a terminal would obey."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import threading
import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway import RECORDING_FAILED, RECORDING_STARTED, RECORDING_UNKNOWN, File, Http, Retry
from gateway.testing import SinkPromises, cases, delivery, event, events
from plugins.sinks.console import Console, ConsoleOptions, line


class TestConsoleKeepsThePromises(SinkPromises):
    sink = Console

    def options(self, url: str) -> Mapping[str, Any]:
        return {"format": "text"}


@asynccontextmanager
async def console(**options: Any) -> AsyncIterator[Console]:
    http = Http()
    sink = Console("screen", ConsoleOptions.model_validate(options), http=http, log=None)  # type: ignore[arg-type]
    await sink.open()
    yield sink
    await sink.close()
    await http.close()


async def test_each_event_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    async with console() as sink:
        for one in events():
            await sink.deliver(delivery(one))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(events())
    for one, text in zip(events(), lines, strict=True):
        assert one.type in text
        assert one.subject in text
        assert one.id in text


async def test_json_lines_are_the_whole_event(capsys: pytest.CaptureFixture[str]) -> None:
    async with console(format="json") as sink:
        await sink.deliver(delivery(event(stream="直播")))
    document = json.loads(capsys.readouterr().out)
    assert document["specversion"] == "1.0"
    assert document["data"]["stream"] == "直播"


async def test_a_replay_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    async with console() as sink:
        await sink.deliver(delivery(replay=True))
    assert capsys.readouterr().out.endswith(" replay\n")


def obeyed(text: str) -> list[str]:
    """Characters that a terminal or an editor would act on instead of showing them."""
    return [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp"}]


@pytest.mark.parametrize("case", cases("stream"), ids=str)
@pytest.mark.parametrize("format", ["text", "json"])
async def test_hostile_text_is_shown_and_not_obeyed(case: Any, format: str, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = case.value
    async with console(format=format) as sink:
        await sink.deliver(
            delivery(event(RECORDING_FAILED, stream=hostile, vendor_type=hostile, problems=(hostile,), source="live"))
        )
    out = capsys.readouterr().out
    assert out.endswith("\n")
    assert obeyed(out[:-1]) == []
    assert len(out.splitlines()) == 1


@given(st.text(), st.text(), st.text())
def test_no_text_whatever_makes_a_second_line(stream: str, message: str, url: str) -> None:
    one = event(stream=stream, files=(File(download_url=url or None, format=message or None),))
    assert obeyed(line(one)) == []
    assert len(line(one).splitlines()) == 1


def test_a_line_says_what_matters_of_a_file_and_masks_its_signed_url() -> None:
    file = File(
        format="hls",
        download_url="https://a.example/x.m3u8?auth_key=CANARY",
        size_bytes=3_957_964,
        duration_seconds=120.0,
        width=1280,
        height=720,
    )
    text = line(event(files=(file,)))
    for part in ("hls", "120s", "3.96MB", "1280x720", "https://a.example/x.m3u8?auth_key=********", "trust="):
        assert part in text
    assert "CANARY" not in text


@pytest.mark.parametrize(("size", "text"), [(0, "0B"), (999, "999B"), (1000, "1kB"), (2_500_000_000, "2.5GB")])
def test_sizes_are_short(size: int, text: str) -> None:
    assert f" {text} " in line(event(files=(File(size_bytes=size),)))


def test_what_is_absent_takes_no_room_and_what_is_odd_is_named() -> None:
    sparse = replace(event(RECORDING_STARTED, domain=None, app=None, stream=None), files=(File(),), time=None)
    assert " - source=" in line(sparse)
    assert "vendor_type=BRAND_NEW" in line(event(RECORDING_UNKNOWN, vendor_type="BRAND_NEW"))
    assert "vendor_type" not in line(replace(event(RECORDING_UNKNOWN), vendor_type=None))
    assert "unreadable=a,b" in line(event(problems=("a", "b")))
    assert "error=" in line(event(RECORDING_FAILED))


def test_a_long_value_is_cut() -> None:
    assert len(line(event(stream="x" * 100_000))) < 1500


@contextlib.contextmanager
def standard_output(stream: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", stream)
        yield


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, io.TextIOWrapper]]:
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w", encoding="ascii")
    try:
        yield reader, stream
    finally:
        stream.close()
        with contextlib.suppress(OSError):
            os.close(reader)


async def test_a_reader_that_went_away_is_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    with pipe() as (reader, stream), standard_output(stream, monkeypatch):
        os.close(reader)
        async with console() as sink:
            for _ in range(2):
                with pytest.raises(Retry, match="broken pipe") as failed:
                    await sink.deliver(delivery())
                assert failed.value.service


async def test_a_closed_or_absent_standard_output_is_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (closed, None):
        with standard_output(stream, monkeypatch):
            async with console() as sink:
                with pytest.raises(Retry, match="closed"):
                    await sink.deliver(delivery())


async def test_what_the_terminal_cannot_show_is_written_with_backslashes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pipe() as (reader, stream), standard_output(stream, monkeypatch):
        async with console() as sink:
            await sink.deliver(delivery(event(stream="直播")))
        assert b"\\u76f4\\u64ad" in os.read(reader, 65536)


@pytest.mark.parametrize("blocking", [True, False])
async def test_a_reader_that_does_not_read_stops_neither_the_loop_nor_the_rest_of_the_line(
    blocking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pipe() as (reader, stream), standard_output(stream, monkeypatch):
        os.set_blocking(stream.fileno(), False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(stream.fileno(), b"." * 4096)
        os.set_blocking(stream.fileno(), blocking)
        async with console() as sink:
            task = asyncio.create_task(sink.deliver(delivery()))
            while threading.active_count() < 2:
                await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert not task.done()  # the loop turns, the delivery waits
            got = b""
            while not got.endswith(b"\n"):
                got += await asyncio.to_thread(os.read, reader, 65536)
            await task
        assert event().id.encode() in got
