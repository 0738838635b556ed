"""Writes lines to a descriptor on a thread of its own: whoever says something neither waits for its reader nor fails with it."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, TextIO

import msgspec

LINES_MAX: Final = 20_000  # that wait at most
BYTES_MAX: Final = 8 * 2**20
BATCH_BYTES_MAX: Final = 64 * 2**10  # in one write: what a pipe holds
LINGER_SECONDS: Final = (
    0.025  # for more lines before a batch is written: each wake of the thread is fought for with the loop
)
FLUSH_SECONDS: Final = 2.0
FACTS_BYTES: Final = 256  # that a fact counts for at least until it is a line: nearly all are as long


class LineFacts(msgspec.Struct, frozen=True):
    """A line of level `info` that is said, and is put together by whoever writes it. Nobody changes `values` any more."""

    at: int  # ms since 1970
    event: str
    values: Mapping[str, object]
    size: int = FACTS_BYTES  # bytes that it counts for until it is a line


Render = Callable[[Sequence[LineFacts]], list[bytes]]
"""Makes a whole line, with its end, of each."""


class LineOutput(Protocol):
    """Where whole lines go. `write_line` never raises and never waits for longer than the line deserves."""

    dropped: int
    render: Render

    def write_line(self, line: str) -> None: ...
    def put_facts(self, many: Sequence[LineFacts]) -> None: ...
    def flush(self, seconds: float = FLUSH_SECONDS) -> bool: ...


def _render_nothing(facts: Sequence[LineFacts]) -> list[bytes]:
    raise ValueError("nobody has said how a fact is written")


class StreamWriter:
    """Writes to a stream at once, in the thread that speaks: for commands and tests. A line that fails is only counted."""

    render: Render = staticmethod(_render_nothing)

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.dropped = 0

    def write_line(self, line: str) -> None:
        """Write the line and its end."""
        try:
            if self._stream is None:
                raise ValueError("there is no such stream")
            self._stream.write(line + "\n")
            self._stream.flush()
        except Exception:  # a full disk, a reader that is gone, a closed stream, a letter that it does not know
            self.dropped += 1

    def put_facts(self, many: Sequence[LineFacts]) -> None:
        """Write their lines."""
        try:
            lines = self.render(many)
        except Exception:
            self.dropped += len(many)
        else:
            for line in lines:
                self.write_line(line.decode().removesuffix("\n"))

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Nothing waits here."""
        return True


class LineWriter:
    """A daemon thread and a bounded queue. What does not fit, or cannot be written, is dropped and counted.

    `notice` makes the line that tells how many were dropped; it is written once when writing works again and nothing
    waits any more. Lines come out in the order in which they went in. `render` is called on the thread, with all facts that
    came one after the other: together they take a third of the time.
    """

    render: Render = staticmethod(_render_nothing)

    def __init__(
        self,
        descriptor: int,
        notice: Callable[[int], str],
        *,
        encoding: str = "utf-8",
        lines_max: int = LINES_MAX,
        bytes_max: int = BYTES_MAX,
    ) -> None:
        """`descriptor` is copied, because a plugin that closes the original must not make us write into what comes after it."""
        self._descriptor = os.dup(descriptor)
        self.notice = notice
        self._encoding = encoding
        self._lines_max = lines_max
        self._bytes_max = bytes_max
        # a condition over an RLock, because a destructor or a signal handler may speak while this thread is in `write_line`
        self._lock = threading.RLock()  # its own, because a condition's `with` is two calls more for every line
        self._changed = threading.Condition(self._lock)
        self._waiting: deque[bytes | LineFacts] = deque()
        self._bytes = 0
        self._writing = False
        self._hurried = False
        self._torn = False  # half a line stands at the end of what was written
        self._unsaid = 0
        self._forked = False
        self.dropped = 0
        os.register_at_fork(after_in_child=self._after_fork)
        self._thread = threading.Thread(target=self._write_until_closed, name="lines", daemon=True)
        self._thread.start()

    def write_line(self, line: str) -> None:
        """Queue one line (without its end). Never raises, never blocks."""
        data = (line + "\n").encode(self._encoding, "backslashreplace")
        self._enqueue((data,), len(data))

    def put_facts(self, many: Sequence[LineFacts]) -> None:
        """The same for lines that are yet to be put together."""
        size = 0
        for fact in many:
            size += fact.size
        self._enqueue(many, size)

    def _enqueue(self, lines: Sequence[bytes | LineFacts], size: int) -> None:
        """Queue these, of `size` bytes together."""
        if self._forked:
            self._write(self._rendered(lines))
            return
        with self._lock:
            if len(self._waiting) + len(lines) > self._lines_max or self._bytes + size > self._bytes_max:
                lines, size = self._fitting(lines)
                if not lines:
                    return
            self._waiting.extend(lines)
            self._bytes += size
            if not self._writing:
                self._writing = True
                self._changed.notify_all()

    def _fitting(self, lines: Sequence[bytes | LineFacts]) -> tuple[Sequence[bytes | LineFacts], int]:
        """Those at the beginning that there is room for, and their bytes; the others are dropped."""
        room, size, fit = self._lines_max - len(self._waiting), 0, 0
        for line in lines:
            if fit >= room or self._bytes + size + _size_of(line) > self._bytes_max:
                break
            fit += 1
            size += _size_of(line)
        self._drop(len(lines) - fit)
        return lines[:fit], size

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until all is written, for `seconds` at most; False: something still waits for its reader."""
        if self._forked:
            return True
        with self._changed:
            self._hurried = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._writing, seconds)

    def _write_until_closed(self) -> None:
        while True:
            try:
                self._write_next()
            except Exception:  # no memory: what waits is written when there is some
                time.sleep(LINGER_SECONDS)

    def _write_next(self) -> None:
        with self._changed:
            while not self._writing:
                self._changed.wait()
            if not self._hurried and self._bytes < BATCH_BYTES_MAX:
                self._changed.wait(LINGER_SECONDS)
            batch = self._next_lines()
        try:
            lines = self._rendered(batch)
        except MemoryError:  # they are put together when there is some
            with self._changed:
                self._waiting.extendleft(reversed(batch))
                self._bytes += sum(map(_size_of, batch))
            raise
        except Exception:
            lines = []
            with self._changed:
                self._drop(len(batch))
        worked = self._write(lines)
        with self._changed:
            if self._waiting:
                return
            unsaid = self._unsaid if worked else 0
        if unsaid and self._write([self._told(unsaid)]):
            with self._changed:
                self._unsaid -= unsaid
        with self._changed:
            if not self._waiting:
                self._writing = self._hurried = False
                self._changed.notify_all()

    def _next_lines(self) -> list[bytes | LineFacts]:
        batch: list[bytes | LineFacts] = []
        size = 0
        while self._waiting and (not batch or size + _size_of(self._waiting[0]) <= BATCH_BYTES_MAX):
            batch.append(self._waiting.popleft())
            size += _size_of(batch[-1])
        self._bytes -= size
        return batch

    def _rendered(self, batch: Sequence[bytes | LineFacts]) -> list[bytes]:
        lines: list[bytes] = []
        facts: list[LineFacts] = []
        for line in batch:
            if isinstance(line, LineFacts):
                facts.append(line)
                continue
            if facts:
                lines += self.render(facts)
                facts = []
            lines.append(line)
        return lines + self.render(facts) if facts else lines

    def _write(self, batch: Sequence[bytes]) -> bool:
        """Write these lines, as long as it takes; False: some were dropped."""
        data: memoryview | None = None
        try:
            data = memoryview(b"".join((b"\n" if self._torn else b"", *batch)))
            while data:
                data = data[self._write_some(data) :]
        except Exception:  # ENOSPC, EPIPE, EIO, EBADF, and whatever a descriptor may come to be; no memory
            if data is None:
                with self._changed:
                    self._drop(len(batch))
                return False
            left = len(data)
            lost = 0
            for line in reversed(batch):
                if left <= 0:
                    break
                lost += 1
                left -= len(line)
            self._torn = left != 0
            with self._changed:
                self._drop(lost)
            return False
        self._torn = False
        return True

    def _write_some(self, data: memoryview) -> int:
        while True:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:  # whoever shares the descriptor made it so; it is theirs as well, so it is left so
                select.select([], [self._descriptor], [], 1.0)

    def _drop(self, lines: int) -> None:
        self.dropped += lines
        self._unsaid += lines

    def _told(self, lines: int) -> bytes:
        try:
            return (self.notice(lines) + "\n").encode(self._encoding, "backslashreplace")
        except Exception:
            return b""

    def _after_fork(self) -> None:
        """In the child there is no thread, and what waits is the parent's to write: the child writes for itself, at once."""
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._waiting.clear()
        self._bytes = 0
        self._writing = False
        self._forked = True


def _size_of(line: bytes | LineFacts) -> int:
    return line.size if isinstance(line, LineFacts) else len(line)
