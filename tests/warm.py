"""The command `gateway` in a process of its own that has its imports behind it: a fork of one that waits with them.

A gateway spends half a second of work on imports before it serves, and a run of the tests starts two hundred. What must
be the installed program itself, with the imports that belong to it, is started with `subprocess`.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.patience import PATIENCE_S

PARENT = Path(__file__).with_name("warm_parent.py")
ROOT = str(PARENT.parent.parent)
# What Python reads where it starts, and how coverage counts what it runs.
AT_START = ("PYTHON", "LC_", "LANG", "COVERAGE_")

_lock = threading.Lock()
_parents: dict[int, socket.socket] = {}  # by process, because a worker may be a fork itself


class Process:
    """A running command: as much of `subprocess.Popen` as the tests use."""

    def __init__(self, status: int) -> None:
        """Of what the parent says: the process, in a line, and how it ended, which may be said already."""
        pid, _, ended = os.read(status, 100).partition(b"\n")
        assert pid, "the process that forks has ended"
        self.pid = int(pid)
        self.returncode: int | None = None
        self._status = status
        if ended:
            self._note(ended)

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._read()
        return self.returncode

    def wait(self, timeout: float) -> int:
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("gateway", timeout)
            self._read()
        assert self.returncode is not None
        return self.returncode

    def _read(self) -> None:
        self._note(os.read(self._status, 100))

    def _note(self, said: bytes) -> None:
        os.close(self._status)
        self.returncode = os.waitstatus_to_exitcode(int(said)) if said else -signal.SIGKILL

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __del__(self) -> None:
        if self.returncode is None:
            with suppress(OSError):
                os.close(self._status)


def fits(environ: Mapping[str, str]) -> bool:
    """Whether a fork is what a new process would be: nothing that only the start of a Python reads is another."""
    names = {name for name in {*environ, *os.environ} if name.startswith(AT_START) and name != "PYTHONPATH"}
    return all(environ.get(name) == os.environ.get(name) for name in names)


def start(
    arguments: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    stdin: int,
    stdout: int,
    stderr: int,
    new_session: bool = False,
) -> Process:
    """`gateway ARGUMENTS` with these descriptors."""
    status, theirs = os.pipe()
    order = {"arguments": list(arguments), "cwd": str(cwd), "environ": dict(environ), "new_session": new_session}
    job = json.dumps(order).encode()
    try:
        with _lock:
            socket.send_fds(_parent(), [job], [stdin, stdout, stderr, theirs])
    finally:
        os.close(theirs)
    assert select.select([status], [], [], PATIENCE_S)[0], "no process came"
    return Process(status)


def run(
    arguments: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    input: str | None = None,
    timeout: float = PATIENCE_S,
) -> subprocess.CompletedProcess[str]:
    """The whole life of a command, as `subprocess.run` tells it."""
    import tempfile

    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write((input or "").encode())
        given.seek(0)
        began = start(
            arguments, cwd=cwd, environ=environ, stdin=given.fileno(), stdout=out.fileno(), stderr=err.fileno()
        )
        try:
            code = began.wait(timeout)
        except subprocess.TimeoutExpired:
            began.kill()
            raise
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(["gateway", *arguments], code, out.read().decode(), err.read().decode())


def _parent() -> socket.socket:
    if os.getpid() not in _parents:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            subprocess.Popen(
                [sys.executable, str(PARENT), str(theirs.fileno())],
                pass_fds=[theirs.fileno()], cwd=ROOT, stdin=subprocess.DEVNULL,
            ).returncode = 0  # it ends with us, and nobody waits for it  # fmt: skip
        _parents[os.getpid()] = ours
        atexit.register(ours.close)
        until = time.monotonic() + PATIENCE_S
        assert select.select([ours], [], [], until - time.monotonic())[0], "it does not begin"
        ours.recv(1)
    return _parents[os.getpid()]
