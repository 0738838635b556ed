"""A line that cannot be written never raises, never blocks whoever speaks, and is counted."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pty
import select
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from gateway.runtime import logs
from gateway.runtime.line_writer import LineWriter, StreamWriter
from gateway.runtime.metrics import Metrics
from gateway.runtime.standard_streams import LineStream
from tests import threads
from tests.patience import PATIENCE_S


def _full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def _reader_gone() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def _terminal_gone() -> int:
    master, slave = pty.openpty()
    os.close(master)
    return slave


def _read_only() -> int:
    return os.open(os.devnull, os.O_RDONLY)


BROKEN: dict[str, Callable[[], int]] = {
    "a full disk": _full,
    "a pipe whose reader is gone": _reader_gone,
    "a closed terminal": _terminal_gone,
    "a descriptor that cannot be written": _read_only,
}


def _writer(descriptor: int, **more: Any) -> LineWriter:
    writer = LineWriter(descriptor, lambda lines: f"dropped {lines}", **more)
    os.close(descriptor)  # because the writer has its own
    return writer


class Pipe:
    """A pipe and its reader."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self._rest = b""

    def read(self, until: str, seconds: float = PATIENCE_S) -> str:
        """What came up to the line `until`."""
        end, deadline = until.encode() + b"\n", time.monotonic() + seconds
        while end not in self._rest:
            assert select.select([self.reader], [], [], max(deadline - time.monotonic(), 0))[0], f"no {until[:50]}"
            self._rest += os.read(self.reader, 65536)
        found, _, self._rest = self._rest.partition(end)
        return (found + end).decode()


@pytest.mark.parametrize("how", BROKEN)
def test_what_cannot_be_written_is_dropped_and_counted(how: str) -> None:
    writer = _writer(BROKEN[how]())
    for number in range(100):
        writer.write_line(f"line {number}")
    assert writer.flush(PATIENCE_S)
    assert writer.dropped >= 100


def test_a_reader_that_never_reads_holds_nobody_up_and_memory_is_bounded() -> None:
    pipe = Pipe()
    writer = _writer(pipe.writer, lines_max=1000, bytes_max=300_000)
    began = time.monotonic()
    for number in range(50_000):
        writer.write_line(f"line {number:>200}")  # more waits than the pipe holds
    assert time.monotonic() - began < PATIENCE_S  # it would not come back at all
    assert writer.dropped > 30_000
    assert len(writer._waiting) <= 1000
    assert not writer.flush(0.05)  # bounded
    os.close(pipe.reader)


def test_bytes_are_bounded_too_and_are_given_back() -> None:
    pipe = Pipe()
    writer = _writer(pipe.writer, bytes_max=10_000)
    writer.write_line("x" * 10_000)
    assert writer.dropped == 1
    for _ in range(40):  # of which the second would be dropped, were nothing given back
        writer.write_line("y" * 9000)
        assert pipe.read("y" * 9000)
    assert writer.flush(PATIENCE_S)
    assert (writer.dropped, writer._bytes) == (1, 0)


def test_lines_come_in_order_with_few_calls_and_the_drops_are_told_once_when_it_works_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipe = Pipe()
    full = os.write(pipe.writer, b"x" * 65536)
    writer = _writer(pipe.writer, lines_max=500)
    calls, real = [], os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: (calls.append(1), real(descriptor, data))[1])
    for number in range(10_000):
        writer.write_line(f"line {number}")
    lost = writer.dropped
    text = pipe.read(f"dropped {lost}")[full:]
    lines = text.splitlines()
    numbers = [int(line.removeprefix("line ")) for line in lines[:-1]]
    assert numbers == sorted(numbers)
    assert len(numbers) + lost == 10_000
    assert len(calls) < 10
    writer.write_line("after")
    assert pipe.read("after") == "after\n"
    assert writer.flush(PATIENCE_S)


def test_a_descriptor_that_its_other_owner_made_non_blocking_loses_nothing() -> None:
    pipe = Pipe()
    os.set_blocking(pipe.writer, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(pipe.writer, b"x" * 4096):
            pass
    writer = _writer(pipe.writer)
    for number in range(3):
        writer.write_line(f"line {number}")
    assert not writer.flush(0.05)  # the pipe is full
    assert pipe.read("line 2").endswith("line 0\nline 1\nline 2\n")
    assert writer.flush(PATIENCE_S)
    assert writer.dropped == 0


def test_who_cannot_say_how_many_were_dropped_holds_up_no_line() -> None:
    pipe = Pipe()
    writer = LineWriter(pipe.writer, lambda lines: str(lines // 0), bytes_max=100)
    writer.write_line("x" * 200)
    for line in ("first", "second"):
        writer.write_line(line)
        assert pipe.read(line) == f"{line}\n"
    assert writer.flush(PATIENCE_S)
    assert writer.dropped == 1


def test_the_descriptor_of_a_child_program_stays_as_it_was() -> None:
    reader, descriptor = os.pipe()
    writer = LineWriter(descriptor, str)
    assert os.get_blocking(descriptor)
    assert not os.get_inheritable(writer._descriptor)
    os.close(reader)
    os.close(descriptor)


def test_one_who_speaks_while_speaking_does_not_wait_for_himself() -> None:
    """A destructor or a signal handler may log in the middle of a line's way into the queue."""
    pipe = Pipe()
    writer = _writer(pipe.writer)
    with writer._changed:
        writer.write_line("inner")
    assert pipe.read("inner") == "inner\n"


class Failing(io.StringIO):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


@pytest.fixture
def _restored() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        stack.callback(structlog.reset_defaults)
        yield
    import logging

    for handler in logging.getLogger().handlers[:]:
        if isinstance(handler, logs.LibraryHandler):
            logging.getLogger().removeHandler(handler)
    logging.captureWarnings(False)


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        OSError(errno.EIO, "Input/output error"),
        ValueError("I/O operation on closed file"),
        RuntimeError("reentrant call"),
    ],
    ids=repr,
)
def test_saying_something_never_raises_whatever_the_stream_does(error: Exception) -> None:
    import logging
    import warnings

    logs.configure("debug", "json", Failing(error))
    before = logs.lines_dropped()
    structlog.get_logger().info("event", a=1)
    structlog.get_logger().bind(sink="x").exception("failed", exc_info=ValueError("x"))
    logging.getLogger("uvicorn.error").error("no")
    logging.getLogger("asyncio").error("no", exc_info=ValueError("x"))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", UserWarning, stacklevel=1)
    assert logs.lines_dropped() == before + 5
    assert f"recording_gateway_log_lines_dropped_total {float(before + 5)}" in Metrics().text().decode()


class Odd:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def _endless() -> dict[str, Any]:
    values: dict[str, Any] = {}
    values["self"] = values
    return values


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("value", [Odd(), [Odd()], {Odd(): 1}, _endless(), {1: {2: object}}, float("nan"), b"\xff"])
def test_saying_something_never_raises_whatever_is_said(format: str, value: object) -> None:
    stream = io.StringIO()
    logs.configure("debug", format, stream)
    structlog.get_logger().info("event", value=value)
    try:
        raise ValueError(value)
    except ValueError:
        structlog.get_logger().exception("failed", value=value)
    text = stream.getvalue()
    assert "event" in text
    assert "failed" in text


def test_standard_output_and_error_that_are_closed_take_lines_all_the_same() -> None:
    writer = StreamWriter(None)
    writer.write_line("nowhere")
    assert writer.dropped == 1


def test_what_is_printed_goes_out_in_whole_lines() -> None:
    stream = io.StringIO()
    taken = LineStream(sys.__stdout__ or sys.stdout, StreamWriter(stream))
    print("one", "two", file=taken)
    print("half", end="", file=taken)
    threads.end(threads.start(print, "other", file=taken))
    print(" and whole", file=taken, flush=True)
    assert stream.getvalue() == "one two\nother\nhalf and whole\n"
