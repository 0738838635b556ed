"""Nothing leaves this process: while a sink is asked what it would send, a plugin that sends all the same is stopped."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Final

# Python raises these for whatever a sink could do outside; what a library in C does by itself it does not see.
_FORBIDDEN: Final = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.remove",
        "os.rename",
        "os.spawn",
        "os.system",
        "pty.spawn",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.sendmsg",
        "socket.sendto",
        "sqlite3.connect",
        "subprocess.Popen",
        "urllib.Request",
    }
)
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Reached(PermissionError):
    """What was tried. An OSError, because that is what the code that tries it expects."""


class _SideEffectWatch:
    """One a process, because an audit hook cannot be taken out again."""

    def __init__(self) -> None:
        self.on = False
        self.tried: list[str] = []
        self._installed = False

    def start(self) -> None:
        if not self._installed:
            sys.addaudithook(self._hear)
            self._installed = True
        self.on, self.tried = True, []

    def _hear(self, what: str, arguments: tuple[object, ...]) -> None:
        if not self.on:
            return
        if what == "open":
            path, _, flags = arguments
            if not (isinstance(flags, int) and flags & _WRITES) or path == os.devnull or _is_bytecode(path):
                return
        elif what not in _FORBIDDEN:
            return
        self.tried.append(what)
        raise Reached(f"{what}: nothing may be sent or written now")


_watch: Final = _SideEffectWatch()


@contextlib.contextmanager
def nothing_leaves() -> Iterator[list[str]]:
    """Inside, whatever would reach a network, another program or a file raises Reached; the list says what was tried."""
    _watch.start()
    try:
        yield _watch.tried
    finally:
        _watch.on = False


def _is_bytecode(path: object) -> bool:
    """What Python itself writes when something is imported."""
    return isinstance(path, str | bytes) and b"__pycache__" in os.fsencode(path)
