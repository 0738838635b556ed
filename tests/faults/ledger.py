"""What each process of the world writes down, a line at a time: whole lines, before it says anything to anybody."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Posted(NamedTuple):
    """What came of one request of the vendor. `status` 0: nobody knows, the connection broke or no answer came."""

    at: float  # seconds of the monotonic clock, which all processes of a machine share
    number: int  # of the callback
    status: int
    event: str  # its id, where the answer said it, or empty


class Came(NamedTuple):
    """One request at the receiver, noted before it was answered."""

    at: float
    sink: str
    number: int
    event: str


class Ledger:
    """A file that lines are added to. A line is one write, so that one that is there is whole."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, *words: object) -> None:
        os.write(self._file, " ".join(map(str, (time.monotonic(), *words))).encode() + b"\n")


def posted(path: Path) -> Iterator[Posted]:
    """The vendor's ledger."""
    for at, number, status, event in _lines(path):
        yield Posted(float(at), int(number), int(status), "" if event == "-" else event)


def came(path: Path) -> Iterator[Came]:
    """The receiver's ledger."""
    for at, sink, number, event in _lines(path):
        yield Came(float(at), sink, int(number), event)


def _lines(path: Path) -> Iterator[list[str]]:
    if path.exists():
        with path.open() as file:
            for line in file:
                if line.endswith("\n"):
                    yield line.split()


class Tail:
    """How much a ledger says by now, without reading it from its beginning each time."""

    def __init__(self, path: Path, word: int, wanted: str = "") -> None:
        self._path, self._word, self._wanted = path, word, wanted
        self._read = 0
        self.seen: set[str] = set()

    def count(self) -> int:
        """How many different numbers have a line whose word `word` is the wanted one."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read)
                said = file.read()
            whole = said[: said.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.decode().splitlines():
                words = line.split()
                if not self._wanted or words[self._word] == self._wanted:
                    self.seen.add(words[1] if self._word == 2 else f"{words[1]} {words[2]}")
        return len(self.seen)
