"""One program from its start to the end of everything it started in its group. Blocking: a thread runs it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

OUTPUT_BYTES_MAX: Final = 16 * 1024  # bytes kept of each stream; what is more is read and dropped
_LINGER_SECONDS: Final = 0.5  # seconds in which the pipes of an ended program must end as well
_POLL_SECONDS: Final = 0.02  # seconds, where the kernel has no pidfd
_CHUNK_BYTES: Final = 64 * 1024


class ChildEnd(NamedTuple):
    """How it ended: the exit code, or minus the signal's number; and what it wrote, cut."""

    code: int
    out: bytes
    err: bytes


class Child:
    """`run_to_end` in one thread; `kill` it from any."""

    def __init__(self, command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], stdin: bytes) -> None:
        self._command = command
        self._cwd = cwd
        self._environ = environ
        self._stdin = memoryview(stdin)
        self._lock = threading.Lock()  # because a process that was reaped has a number that is not its own any more
        self._process: subprocess.Popen[bytes] | None = None
        self._unwanted = False
        self._kept = {"stdout": bytearray(), "stderr": bytearray()}

    def run_to_end(self) -> ChildEnd:
        """Start it, tell it, listen, and wait for its end. Raises OSError where it cannot be started."""
        if self._unwanted:
            return ChildEnd(-signal.SIGKILL, b"", b"")
        process = subprocess.Popen(  # noqa: S603  # no shell, and no argument from outside
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self._cwd,
            env=dict(self._environ),
            start_new_session=True,  # a group of its own, so that it can be ended with all it started
            close_fds=True,
            bufsize=0,
        )
        with process:
            with self._lock:
                self._process = process
            try:
                if not self._unwanted:
                    self._talk(process)
            finally:
                _kill_group(process)
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
                with self._lock:  # held for a moment only, because the event loop takes it too
                    process.wait()
                    self._process = None
        return ChildEnd(process.returncode, bytes(self._kept["stdout"]), bytes(self._kept["stderr"]))

    def kill(self) -> None:
        """End it and its group at once; if it has not begun, it never will."""
        self._unwanted = True
        with self._lock:
            if self._process is not None:
                _kill_group(self._process)

    def _talk(self, process: subprocess.Popen[bytes]) -> None:
        """Until the program has ended and its pipes have, or a moment later: what escaped its group may hold them open."""
        with selectors.DefaultSelector() as selector, _end_of(process) as end:
            assert process.stdin is not None
            for name in ("stdin", "stdout", "stderr"):
                os.set_blocking(getattr(process, name).fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE, "stdin")
            for name in self._kept:
                selector.register(getattr(process, name), selectors.EVENT_READ, name)
            if end is not None:
                selector.register(end, selectors.EVENT_READ, "end")
            until: float | None = None
            while until is None or (time.monotonic() < until and len(selector.get_map()) > 0):
                wait = _POLL_SECONDS if end is None else None
                ready = selector.select(wait if until is None else max(until - time.monotonic(), 0))
                for key, _ in ready:
                    if key.data != "end" and not self._move(key.data, key.fileobj):  # type: ignore[arg-type]
                        selector.unregister(key.fileobj)
                if until is None and _has_ended(process):
                    until = time.monotonic() + _LINGER_SECONDS
                    _kill_group(process)  # because what it left behind would hold the pipes open
                    for key in list(selector.get_map().values()):
                        if key.data in {"end", "stdin"}:
                            selector.unregister(key.fileobj)

    def _move(self, name: str, pipe: IO[bytes]) -> bool:
        """Write or read what there is; whether there may be more."""
        if name == "stdin":
            try:
                self._stdin = self._stdin[os.write(pipe.fileno(), self._stdin[:_CHUNK_BYTES]) :]
            except BlockingIOError:
                return True
            except OSError:  # a program need not read what it is told
                self._stdin = self._stdin[:0]
            if not self._stdin:
                pipe.close()
            return bool(self._stdin)
        chunk = os.read(pipe.fileno(), _CHUNK_BYTES)
        kept = self._kept[name]
        kept += chunk[: OUTPUT_BYTES_MAX - len(kept)]
        return bool(chunk)


@contextlib.contextmanager
def _end_of(process: subprocess.Popen[bytes]) -> Iterator[int | None]:
    """A descriptor that can be read when the process has ended; None where the kernel has none such."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (OSError, AttributeError):
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Without reaping it."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
