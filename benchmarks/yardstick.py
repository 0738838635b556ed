"""How fast a core is just now: a process that does one piece of work again and again, beside what is measured on that core.

Other programs make a core slower by what they put into its caches and by its other half; processor time then says more for
the same work. What a piece of this work takes meanwhile says by how much.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import time
from types import TracebackType
from typing import NamedTuple, Self

REST_SECONDS = 0.03  # between two pieces, which take a few milliseconds each
_DOCUMENT = {f"field {n}": [{"value": n, "text": "x" * n}] for n in range(60)}


class Reading(NamedTuple):
    """Pieces done so far, and the seconds of processor time they took."""

    pieces: int
    cpu: float


class Yardstick:
    """Runs on one core until it is left."""

    def __init__(self, core: int) -> None:
        self._core = core
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  open for as long as this is
        self._file.truncate(16)
        self._memory = mmap.mmap(self._file.fileno(), 16)

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", __name__, str(self._file.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[self._file.fileno()])
        os.sched_setaffinity(self._process.pid, {self._core})
        while not self.read().pieces:
            time.sleep(REST_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def read(self) -> Reading:
        """Up to now."""
        return Reading(*struct.unpack("qd", self._memory[:16]))


def piece() -> None:
    """The work: objects made, compared and dropped, as a server does all day."""
    for _ in range(10):
        document = json.loads(json.dumps(_DOCUMENT))
        sorted(document.items(), key=lambda item: item[0])


def work_until_killed(descriptor: int) -> None:
    """Do pieces, and say how many."""
    memory = mmap.mmap(descriptor, 16)
    parent, pieces, cpu = os.getppid(), 0, 0.0
    while os.getppid() == parent:
        began = time.thread_time()
        piece()
        pieces, cpu = pieces + 1, cpu + time.thread_time() - began
        memory[:16] = struct.pack("qd", pieces, cpu)
        time.sleep(REST_SECONDS)


if __name__ == "__main__":
    work_until_killed(int(sys.argv[1]))
