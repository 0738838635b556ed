"""Standard output and error of a serving process: a `print` of a plugin or a library can neither block nor fail."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Callable
from typing import Final, TextIO

from gateway.runtime.line_writer import LineOutput, LineWriter

PARTIAL_LINE_CHARS_MAX: Final = 16 * 1024  # characters of a line without an end; it is cut there


def open_missing() -> None:
    """Let 0, 1 and 2 be open, on nothing where they were closed: else the store's file or a socket would get the number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one


class LostStream(io.TextIOWrapper):
    """Stands where a standard stream was closed: what is written there is lost, and a log counts it as dropped."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(open(descriptor, "rb" if descriptor == 0 else "wb", closefd=False), encoding="utf-8")  # noqa: SIM115  as long as the process


class LineStream(io.TextIOBase):
    """Stands where a standard stream stood and hands whole lines to a writer. `fileno` is still the stream's own."""

    def __init__(self, stream: TextIO, writer: LineOutput) -> None:
        self._stream = stream
        self.writer = writer
        self._partial = threading.local()  # because `print` writes a line's text and its end in two calls

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self._stream.errors

    @property
    def buffer(self) -> object:
        """The bytes below: whoever writes them waits for the reader."""
        return self._stream.buffer

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        *lines, rest = (getattr(self._partial, "text", "") + text).split("\n")
        if len(rest) > PARTIAL_LINE_CHARS_MAX:
            lines, rest = [*lines, rest], ""
        for line in lines:
            self.writer.write_line(line)
        self._partial.text = rest
        return len(text)

    def flush(self) -> None:
        """Whole lines are on their way already."""


def take_over(stdout: Callable[[int], LineOutput], stderr: LineOutput) -> None:
    """Let everything that Python itself prints go through these; `stdout` makes the writer of that descriptor."""
    if sys.stdout is not None and not isinstance(sys.stdout, (LineStream, LostStream)):
        with contextlib.suppress(OSError, ValueError):  # something in memory, or closed: it stays what it is
            descriptor = sys.stdout.fileno()
            sys.stdout.flush()
            sys.stdout = LineStream(sys.stdout, stdout(descriptor))
    if isinstance(stderr, LineWriter) and sys.stderr is not None and not isinstance(sys.stderr, LineStream):
        sys.stderr = LineStream(sys.stderr, stderr)
