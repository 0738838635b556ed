"""A terminal that is drawn in place: the other screen, keys, and what signals mean meanwhile. It is given back in any case."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final, Self

ENTER: Final = "\x1b[?1049h\x1b[?25l"  # the other screen, without a cursor
LEAVE: Final = "\x1b[?25h\x1b[?1049l"
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"  # a frame, which a terminal that knows this shows at once
KEY_BYTES_MAX: Final = 64
SUSPENDED: Final = "suspended"
RESIZED: Final = "resized"
ENDED: Final = "ended"  # by SIGTERM, or because the terminal is gone


class Screen:
    """Use it in a `with`. `wait` gives a key, or one of RESIZED, ENDED."""

    def __init__(self) -> None:
        self._keys: int | None = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        self._before: list[int | list[bytes | int]] | None = None
        self._handlers: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._meanings: list[str] = []

    def __enter__(self) -> Self:
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        for number, meaning in ((signal.SIGWINCH, RESIZED), (signal.SIGTERM, ENDED), (signal.SIGTSTP, SUSPENDED)):
            self._handlers[number] = signal.signal(number, self._handler(meaning))
        self._enter()
        return self

    def __exit__(self, *exc: object) -> None:
        self._leave()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._woken)
        os.close(self._wake)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows, now. The last column stays free, because some terminals break the line there."""
        try:
            columns, rows = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            columns, rows = 80, 24
        return max(columns - 1, 1), max(rows, 1)

    def draw(self, lines: Sequence[str]) -> None:
        """Show these over what was there; nothing is cleared before, so nothing flickers."""
        frame = "\r\n".join(f"{line}\x1b[K" for line in lines)
        sys.stdout.write(f"{BEGIN}\x1b[H{frame}\x1b[J{END}")
        sys.stdout.flush()

    def wait(self, seconds: float) -> str:
        """A key that was pressed, what a signal meant, or nothing after so many seconds."""
        if not self._meanings:
            watched = [self._woken] if self._keys is None else [self._woken, self._keys]
            ready, _, _ = select.select(watched, (), (), max(seconds, 0.0))
            if self._woken in ready:
                os.read(self._woken, KEY_BYTES_MAX)
            elif ready:
                return self._key()
        word = self._meanings.pop(0) if self._meanings else ""
        if word != SUSPENDED:
            return word
        self._leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._enter()  # somebody brought it back
        return RESIZED

    def _key(self) -> str:
        assert self._keys is not None
        try:
            pressed = os.read(self._keys, KEY_BYTES_MAX)
        except OSError:
            pressed = b""
        return pressed.decode("utf-8", "replace")[:1] if pressed else ENDED

    def _handler(self, meaning: str) -> Callable[[int, FrameType | None], None]:
        def told(number: int, frame: FrameType | None) -> None:
            self._meanings.append(meaning)
            try:
                os.write(self._wake, b"!")
            except BlockingIOError:
                return  # it is full, so it is awake

        return told

    def _enter(self) -> None:
        if self._keys is not None:
            self._before = termios.tcgetattr(self._keys)
            tty.setcbreak(self._keys)  # not raw: Ctrl-C and Ctrl-Z keep their meaning
        sys.stdout.write(ENTER)
        sys.stdout.flush()

    def _leave(self) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            sys.stdout.write(LEAVE)
            sys.stdout.flush()
        if self._keys is not None and self._before is not None:
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(self._keys, termios.TCSADRAIN, self._before)
            self._before = None
