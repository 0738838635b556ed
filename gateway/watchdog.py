"""Notices that the event loop does not turn, and names who holds it up: one blocking call stops every sink and the listeners."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import sysconfig
import threading
import time
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Final

from gateway.plugin import Sink
from gateway.runtime.background import run_tirelessly
from gateway.runtime.failure_shield import harmless
from gateway.runtime.lean_imports import import_structlog

log = import_structlog().get_logger("gateway.watchdog")

if TYPE_CHECKING:
    from prometheus_client import Counter

BLOCKED_SECONDS_MIN: Final = 1.0  # seconds without a turn
STOP_SECONDS: Final = 1.0  # for the thread to see that it is over
_LIBRARY: Final = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_PACKAGE_FOLDERS: Final = ("site-packages", "dist-packages")  # inside the standard library's folder, but not of it
_LOOPS: Final = ("/uvloop/", "/asyncio/")
_FRAMES_MAX: Final = 200  # frames looked at


class Watchdog:
    """A daemon thread that asks the loop for a sign of life. Costs a wake-up of both every `threshold` / 5."""

    def __init__(self, counter: Counter, *, threshold: float = BLOCKED_SECONDS_MIN) -> None:
        """`counter` is Metrics.loop_blocked; `threshold` in seconds."""
        self._counter = counter
        self._threshold = threshold
        self._over = threading.Event()
        self._turned = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Watch the running loop and the thread it runs in."""
        loop, ident = asyncio.get_running_loop(), threading.get_ident()
        watch = partial(self._watch, loop, ident)
        self._thread = threading.Thread(
            target=run_tirelessly, args=("watchdog", watch, self._over), name="watchdog", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; waits for the thread, which takes no longer than a log line, and no longer than `STOP_SECONDS`
        where what it looks at, which is a plugin's own, never answers."""
        self._over.set()
        self._turned.set()  # because the thread must not wait for the loop that waits for it
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
            self._thread = None

    def _watch(self, loop: asyncio.AbstractEventLoop, ident: int) -> None:
        turned = self._turned
        while not self._over.wait(self._threshold / 5):
            turned.clear()
            if self._over.is_set():
                return
            since = time.monotonic()
            try:
                loop.call_soon_threadsafe(turned.set)
            except RuntimeError:  # the loop is closed
                return
            while not turned.wait(self._threshold):
                if self._over.is_set():
                    return
                self._report(ident, time.monotonic() - since)
                self._await(turned)

    def _await(self, turned: threading.Event) -> None:
        """One report a stall, however long it lasts."""
        while not turned.wait(self._threshold / 5) and not self._over.is_set():
            pass

    @harmless
    def _report(self, ident: int, seconds: float) -> None:
        self._counter.inc()
        frame = sys._current_frames().get(ident)
        facts: dict[str, object] = {"seconds": round(seconds, 2)}
        if frame is not None:
            with contextlib.suppress(Exception):  # what it looks at are a plugin's own objects
                facts |= culprit(frame)
        del frame
        log.warning("loop_blocked", **facts)


def culprit(frame: FrameType) -> dict[str, str]:
    """`at` (file:line, function) of the innermost frame that is not the standard library's or the loop's, and the `sink`."""
    facts: dict[str, str] = {}
    innermost = frame
    at: FrameType | None = frame
    for _ in range(_FRAMES_MAX):
        if at is None:
            break
        if "at" not in facts and not _of_the_library(at.f_code.co_filename):
            facts["at"] = _place(at)
        sink = at.f_locals.get("self")
        if isinstance(sink, Sink):
            facts["sink"] = sink.name
            facts |= {"plugin": sink.origin} if sink.origin else {}
            break
        at = at.f_back
    facts.setdefault("at", _place(innermost))
    return facts


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"


def _of_the_library(file: str) -> bool:
    if any(part in file for part in _LOOPS) or file.startswith("<"):
        return True
    return file.startswith(_LIBRARY) and not any(part in file for part in _PACKAGE_FOLDERS)
