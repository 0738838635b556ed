"""Copies of the program with one mistake each, which the scenarios must find."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Change(NamedTuple):
    """In this file this text, which stands there once, becomes that."""

    file: str
    old: str
    new: str


_PERFORMED = "                    done = self._perform(session, unit)\n"
_LENGTHENED = ': Final = f"""UPDATE deliveries SET due_at = :now + :lease'
_LEFT = _LENGTHENED.replace(":now + :lease", "due_at + 0 * (:now + :lease)")
MUTANTS: dict[str, tuple[Change, ...]] = {
    "it answers before it commits": (
        Change(
            "gateway/store/engine/writer.py",
            _PERFORMED,
            _PERFORMED
            + "                    self._resolve(done)\n"
            + "                    time.sleep(0.2 if _has_accept(unit) else 0)\n",
        ),
    ),
    "nobody takes up what was in flight when it died": (
        Change("gateway/store/store.py", "repair(session, alone=self._backend.alone)", "repair(session, alone=False)"),
        Change(
            "gateway/store/sqlite/leases.py",
            "gone = self._front(sink, Rank.LEASED, now, most, skip, group)",
            "gone = []",
        ),
    ),
    "it does not wait for the disk": (
        Change("gateway/store/sqlite/session.py", "PRAGMA synchronous=FULL", "PRAGMA synchronous=OFF"),
    ),
    "it takes an outcome under a lease that was lost": (
        Change("gateway/store/postgres/batch.py", "AND d.token = x.token AND d.rank", "AND d.rank"),
    ),
    "a lease is never lengthened": (
        Change("gateway/store/outbox/statements.py", f"KEEP_ALIVE{_LENGTHENED}, memo", f"KEEP_ALIVE{_LEFT}, memo"),
        Change("gateway/store/outbox/statements.py", f"RENEW{_LENGTHENED}\n", f"RENEW{_LEFT}\n"),
    ),
    "nobody is told of rows, and nobody looks": (
        Change("gateway/dispatch/poll.py", "await self._poll_once()\n", "await asyncio.sleep(0)\n"),
        Change("gateway/store/postgres/notices.py", "who != self._who:", "who == sink:"),
    ),
}


def mutant(folder: Path, name: str) -> str:
    """Make the copy in `folder`; the command that starts it."""
    for room in ("gateway", "plugins"):
        shutil.copytree(ROOT / room, folder / room)  # with what is compiled, which takes seconds of each start
    for change in MUTANTS[name]:
        path = folder / change.file
        text = path.read_text()
        assert text.count(change.old) == 1, f"{change.file} reads another way now: plant this mistake anew"
        path.write_text(text.replace(change.old, change.new))
    command = folder / "gateway-with-a-mistake"
    command.write_text(f"#!/bin/sh\nPYTHONPATH='{folder}' exec '{sys.executable}' -m gateway \"$@\"\n")
    command.chmod(0o755)
    return str(command)
