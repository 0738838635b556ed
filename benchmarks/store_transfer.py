"""`python -m benchmarks.store_transfer [--events 1000000]`: what it costs to look through a store, to back it up, and to move it.

A SQLite store is filled with whole events, verified, backed up, exported, imported, copied to PostgreSQL and back, each by its
command in a process of its own. Prints that process's processor time and memory, and the server's processor time beside
it; time by the clock is the disk's as well. At the end every table of the last copy is compared with the first store's, by
rows and digest. Needs disk for three times the store (2.3 GB a million), and the embedded PostgreSQL of the tests.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from benchmarks.retention import OLD_DAYS, filler
from benchmarks.store import new_event
from gateway.store.engine.session import Session
from gateway.store.transfer.dump import end_of
from gateway.store.transfer.dump_lines import TableEnd
from gateway.store.transfer.two_ends import snapshot
from gateway.text.store_address import parse_address
from tests.postgres import Postgres
from tests.store.old_events import CHUNK_ROWS, fill

LOOK_SECONDS = 0.02  # between two looks at a command's memory, which is read before it ends
OF_A_MOVE = {"audit"}  # tables that say themselves that there was one
# Each body says what its row says, else whoever verifies the store would find as many mistakes as events.
_OWN_BODIES = """UPDATE events SET body = replace(replace(replace(body, :id, id), :stream, substr(subject, length(:before) + 1)),
  :at, strftime('%Y-%m-%dT%H:%M:%fZ', received_at / 1000.0, 'unixepoch')) WHERE seq > :from_seq AND seq <= :to_seq"""
CONFIG = """version: 1
server: {{port: 0}}
admin: {{port: 0, token: {token}}}
store: {url}
sources:
  live: {{type: huawei-live, keys: ['{token}'], domains: [push.example.com], apps: [live]}}
sinks:
  app: {{type: console}}
routes:
  - {{name: all, to: [app]}}
"""


class Place:
    """A store, its configuration, and what runs behind it."""

    def __init__(self, folder: Path, name: str, url: str) -> None:
        self.url = url
        self.config = folder / f"{name}.yaml"
        self.config.write_text(CONFIG.format(url=url, token="t" * 32))


class Server:
    """The processes of a PostgreSQL server: their seconds of processor time, of those that ended too."""

    def __init__(self, server: Postgres) -> None:
        self._main = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))

    def cpu(self) -> float:
        times = [self._main.cpu_times()]
        used = times[0].children_user + times[0].children_system
        for process in self._main.children():
            times.append(process.cpu_times())
        return float(used + sum(one.user + one.system for one in times))


def peak_kib(process: int) -> int:
    """What it had in memory at most, in KiB; 0: it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def told(what: str, place: Place, server: Server, *arguments: str) -> None:
    """Run a command on a store, and print what it took. One that fails ends the benchmark."""
    words = [sys.executable, "-m", "gateway", "--config", str(place.config), "store", *arguments]
    before, children, began = server.cpu(), os.times(), time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as command:
        most = 0
        while command.poll() is None:
            most = max(most, peak_kib(command.pid))
            time.sleep(LOOK_SECONDS)
        assert command.stdout is not None
        answer = command.stdout.read().strip()
    wall, after = time.perf_counter() - began, os.times()
    if command.returncode:
        sys.exit(f"{what}: exit {command.returncode}\n{answer}")
    cpu = after.children_user + after.children_system - children.children_user - children.children_system
    print(
        f"{what:42s} {cpu:6.1f} s of its processor, {server.cpu() - before:6.1f} s of the server's, {wall:6.1f} s by the clock, "
        f"{most / 1024:4.0f} MB; {answer.splitlines()[0]}",
        flush=True,
    )


def old(session: Session, events: int) -> None:
    """Whole events that were delivered, each with a body of its own."""
    like = new_event(0)

    event = like.event
    of = {
        "id": event.id,
        "stream": event.stream,
        "before": (event.subject or "").removesuffix(event.stream or ""),
        "at": json.loads(like.body)["data"]["received_at"],
    }

    def own_bodies(there: int) -> None:
        with session.atomic():
            bounds = {"from_seq": there - min(CHUNK_ROWS, there), "to_seq": there}
            session.change(_OWN_BODIES, of | bounds)

    fill(session, events, days=OLD_DAYS, body=like.body, raw=like.event.raw, told=own_bodies)


def content(place: Place) -> Mapping[str, TableEnd]:
    """Rows and digest of each table but those that a move writes to."""
    with snapshot(parse_address(place.url)) as session:
        return {name: end for name, end in end_of(session).items() if name not in OF_A_MOVE}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.store_transfer", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gw-bench-"))
    embedded = Postgres(folder / "server", owner=os.getpid())
    try:
        server = Server(embedded)
        first, imported, back = (
            Place(folder, name, f"sqlite:///{folder}/{name}.db") for name in ("first", "imported", "back")
        )
        there = Place(folder, "there", embedded.url)
        with filler(first.url) as session:
            old(session, options.events)
        lines = folder / "lines"
        print(f"{options.events} events, {(folder / 'first.db').stat().st_size / 1e6:.0f} MB of SQLite")
        told("verify, SQLite", first, server, "verify")
        told("backup, SQLite", first, server, "backup", str(folder / "backup.db"))
        (folder / "backup.db").unlink()
        told("export, SQLite", first, server, "export", str(lines))
        told("import, into SQLite", imported, server, "import", str(lines))
        for file in (lines, *folder.glob("imported.db*")):
            file.unlink()
        told("copy, SQLite to PostgreSQL", first, server, "copy", "--to", there.url)
        told("verify, PostgreSQL", there, server, "verify")
        told("export, PostgreSQL", there, server, "export", str(lines))
        lines.unlink()
        told("copy, PostgreSQL to SQLite", there, server, "copy", "--to", back.url)
        told("verify, SQLite again", back, server, "verify")
        one, other = content(first), content(back)
        differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
        rows = sum(end.rows for end in one.values())
        print(
            f"{rows} rows of {len(one)} tables are the same"
            if not differing
            else f"these differ: {', '.join(differing)}"
        )
    finally:
        embedded.close()
        shutil.rmtree(folder, ignore_errors=True)
    if differing:
        sys.exit(1)


if __name__ == "__main__":
    main()
