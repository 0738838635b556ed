"""No memory at chosen lines of the program: MemoryError where the interpreter comes to one, in whichever thread."""

from __future__ import annotations

import asyncio
import functools
import linecache
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NamedTuple

# Lines that need no memory; and at a `try:` or the end of a `with` the interpreter would not even leave what was entered.
NEED_NONE = re.compile(
    r"(try|else|finally|while [\w. ]+|with self\.\w+|except .*):|pass|continue|break|return( \w+)?|self\.\w+ = (True|False|None)"
)


class Place(NamedTuple):
    """A line of the program."""

    file: str
    line: int
    name: str  # of its function

    def __str__(self) -> str:
        return f"{self.name}, {Path(self.file).name}:{self.line}"


class Shortage:
    """Sees each line of these rooms that runs while it is `on`; at `place`, and at so many `lines` from there on, there is no memory.

    A trace function that raises is dropped by the interpreter; the profile function, which is not, sets it again, so that
    what a failure is answered with fails too.
    """

    def __init__(self, *rooms: ModuleType) -> None:
        self._rooms = tuple(str(Path(one.__file__ or "").with_suffix("")).removesuffix("__init__") for one in rooms)
        self._spared: asyncio.Task[Any] | None = None
        self._place: Place | int | None = None
        self._left = 0
        self._on = False
        self.seen = 0
        self.places: dict[Place, None] = {}  # that were come to while it was on, in this order
        self.hit: Place | None = None  # where it began
        self.raised = 0

    # -- by the test

    @contextmanager
    def watching(self) -> Iterator[None]:
        """This thread, and each that starts meanwhile."""
        before = sys.gettrace(), sys.getprofile()
        for threads in (threading, sys):
            threads.setprofile(self._profile)
            threads.settrace(self._trace)
        try:
            yield
        finally:
            self._on = False
            # what profiles goes first, because it would set the trace function again
            threading.setprofile(None)
            sys.setprofile(before[1])
            threading.settrace(None)
            sys.settrace(before[0])

    @contextmanager
    def on(self, place: Place | int | None = None, lines: int = 1) -> Iterator[None]:
        """No memory at this line (or at the so-manieth that runs; None: nowhere), when it is come to for the first time."""
        self._place, self._left = place, lines
        self.seen, self.hit, self.raised = 0, None, 0
        self._on = True
        try:
            yield
        finally:
            self._on = False

    @contextmanager
    def spares_this_task(self) -> Iterator[None]:
        """While the test itself looks."""
        self._spared = asyncio.current_task()
        try:
            yield
        finally:
            self._spared = None

    # -- by the interpreter

    def _trace(self, frame: FrameType, what: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self._rooms):
            return None
        if self._on and what == "line" and not self._is_spared():
            self._come_to(frame)
        return self._trace

    def _come_to(self, frame: FrameType) -> None:
        if _needs_none(frame.f_code.co_filename, frame.f_lineno):
            return
        self.seen += 1
        here = Place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_qualname)
        if self.hit is None:
            if self._place is None:
                self.places.setdefault(here)
            if self._place not in (here, self.seen):
                return
            self.hit = here
        if self._left > 0:
            self._left -= 1
            self.raised += 1
            raise MemoryError

    def _profile(self, frame: FrameType, _what: str, _argument: Any) -> None:
        if sys.gettrace() != self._trace:
            sys.settrace(self._trace)
            above: FrameType | None = frame
            while above is not None:
                if above.f_code.co_filename.startswith(self._rooms):
                    above.f_trace = self._trace
                above = above.f_back

    def _is_spared(self) -> bool:
        if self._spared is None or threading.current_thread() is not threading.main_thread():
            return False
        return self._spared is asyncio.current_task()


@functools.cache
def _needs_none(file: str, line: int) -> bool:
    return NEED_NONE.fullmatch(linecache.getline(file, line).partition("#")[0].strip()) is not None
