"""A command on a terminal of its own, and what it draws there."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests import warm
from tests.cli.conftest import ROOT
from tests.patience import PATIENCE_S, until

FRAME = re.compile(r"\x1b\[\?2026h\x1b\[H(.*?)\x1b\[J\x1b\[\?2026l", re.DOTALL)


def _started(
    folder: Path, arguments: list[str], environ: dict[str, str], terminal: int
) -> subprocess.Popen[bytes] | warm.Process:
    ends: dict[str, Any] = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    if warm.fits(environ):
        return warm.start(arguments, cwd=folder, environ=environ, new_session=True, **ends)
    words = [sys.executable, "-m", "gateway", *arguments]
    return subprocess.Popen(words, cwd=folder, env=environ, start_new_session=True, **ends)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, folder: Path, arguments: list[str], columns: int = 80, rows: int = 24) -> None:
        self._ours, theirs = pty.openpty()
        self.resize(columns, rows)
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        environ = {
            k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_") and k not in ("COLUMNS", "LINES")
        }
        environ |= {"PYTHONPATH": ROOT, "TERM": "xterm-256color"}
        self.process = _started(folder, arguments, environ, theirs)
        self.text = ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, wanted: Callable[[str], bool]) -> str:
        """What is new, once it is what is wanted."""
        end = time.monotonic() + PATIENCE_S
        text = ""
        while not wanted(text):
            assert time.monotonic() < end, text
            if select.select([self._ours], [], [], 0.1)[0]:
                try:
                    text += os.read(self._ours, 65536).decode()
                except OSError:
                    break  # the other end is closed
        self.text += text
        return text

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def frame(self, wanted: Callable[[str], bool] = lambda frame: True) -> list[str]:
        """The lines of the next frame that is what is wanted."""
        text = self.until(lambda text: any(wanted(found) for found in FRAME.findall(text)))
        found = next(found for found in reversed(FRAME.findall(text)) if wanted(found))
        return [line.removesuffix("\x1b[K") for line in found.split("\r\n")]

    def until_stopped(self) -> None:
        """Wait until it is suspended."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")

    def hang_up(self) -> None:
        """Close the terminal while it is in use."""
        os.close(self.theirs)
        os.close(self._ours)

    def end(self) -> int:
        """Its exit code; the terminal is as it was."""
        code = self.process.wait(PATIENCE_S)
        if select.select([self._ours], [], [], 0)[0]:
            self.text += os.read(self._ours, 65536).decode()
        assert termios.tcgetattr(self.theirs) == self.before
        os.close(self._ours)
        os.close(self.theirs)
        return code
