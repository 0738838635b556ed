"""`make bench STORED=1`: what cost must not grow with: accept, claim and settle beside ever more waiting rows, a start beside them,
a listing of a seldom type, and a bulk act; and what encryption costs.

Goals: within 1.1 × of a thousand rows, a start within 1 s of an empty one, a listing under 0.3 s, a retry of 10,000 under 2 s.
`--rows 100000` is quicker, and says less.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import backlog, encrypted, servers

ROWS = 1_000_000
DEAD = 10_000
SELDOM = 10  # events of the type that is listed, the oldest of all
TURNS = 3  # the least is told
STORE = "{url: 'sqlite:///bench.db', limits: {waiting: 100000000}}"  # because a store at its limit is not ready
COMMAND = str(Path(sys.executable).parent / "gateway")
_MADE_SELDOM = "UPDATE events SET type = 'recording.failed' WHERE seq <= :many"
_MADE_DEAD = "UPDATE deliveries SET state = 'dead', rank = 1, reason = 'refused', token = 1, attempts = 1"


def store_with(folder: Path, rows: int, *, dead: bool = False) -> None:
    """Fill bench.db of this folder, and configure a gateway whose sink `app` nobody answers for."""
    folder.mkdir()
    port, admin, nobody = servers.free_ports(3)
    to = "match: {type: nothing}, to: [app]"
    servers.configure(folder, port=port, admin=admin, sink=nobody, to=to, level="info", store=STORE)
    session = backlog.filled(folder / "bench.db", rows)
    with session.atomic():
        session.change(_MADE_SELDOM, {"many": SELDOM})
        if dead:
            session.change(_MADE_DEAD, {})
    session.checkpoint()
    session.close()
    (folder / "bench.db").chmod(0o600)


def started(folder: Path) -> float:
    """Seconds from the command to ready."""
    admin = next(line for line in (folder / "gateway.yaml").read_text().splitlines() if line.startswith("admin:"))
    port = int(admin.partition("port: ")[2].partition(",")[0])
    with servers.running([COMMAND, "serve"], folder, port, port) as server:
        return server.start_seconds


def ran(folder: Path, *arguments: str) -> tuple[float, float]:
    """Seconds that a command took, and those of the processor."""
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([COMMAND, *arguments], cwd=folder, check=True, capture_output=True)
    took, now = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime


def told(what: str, values: Sequence[float], goal: str) -> None:
    print(f"{what:52} {min(values):7.2f} s   (to {max(values):.2f})   {goal}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.stored", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="waiting deliveries beside which all is measured")
    rows = parser.parse_args().rows
    os.environ["PYTHONUNBUFFERED"] = "1"
    print("µs of processor time a row, and as a multiple of the first line's (goal 1.1)")
    backlog.main([size for size in backlog.SIZES if size < rows] + [rows])
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name:
        none, many, dead = (Path(name) / folder for folder in ("none", "many", "dead"))
        store_with(none, SELDOM)
        store_with(many, rows)
        starts = [(started(none), started(many)) for _ in range(TURNS)]
        empty, full = zip(*starts, strict=True)
        print()
        told("start to ready", empty, "printed")
        told(f"start to ready beside {rows:,} waiting", full, f"{min(empty) + 1:.2f}: a second more")
        listing = ("events", "list", "--type", "recording.failed")
        waited, used = zip(*[ran(many, *listing) for _ in range(TURNS)], strict=True)
        told(f"events list --type, {SELDOM} of {rows:,}", waited, "0.3")
        told("  of the processor", used, "printed")
        store_with(dead, DEAD, dead=True)
        retry = ("deliveries", "retry", "--sink", "app", "--yes")
        waited, used = zip(ran(dead, *retry), strict=True)
        told(f"deliveries retry --sink of {DEAD:,}", waited, "2")
        told("  of the processor", used, "printed")
    print("\nwhat encryption costs:")
    asyncio.run(encrypted.main())


if __name__ == "__main__":
    main()
