"""`python -m benchmarks.backlog [rows …]`: accept, claim and settle beside ever more waiting rows, in CPU time of one thread."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.store import new_event, outcome
from gateway.runtime.clock import Clock
from gateway.store.engine.batch import Tally
from gateway.store.engine.migrations import migrate
from gateway.store.outbox.accept import accept
from gateway.store.outbox.settle import settle
from gateway.store.records import Claim, Lease, NewDelivery
from gateway.store.sqlite.batch import SqliteBulk
from gateway.store.sqlite.session import make_file

SIZES = (1_000, 100_000, 1_000_000)
BATCH = 32
TURNS = 200
WARM_UP_TURNS = 20  # not counted
_ROWS = """WITH RECURSIVE n(i) AS (SELECT :start UNION ALL SELECT i + 1 FROM n WHERE i < :start + :many - 1)"""
_EVENTS = f"""{_ROWS} INSERT INTO events (id, source, type, subject, received_at, fingerprint, body, raw, raw_type, routing)
  SELECT 'filler ' || i, 'live', 'recording.file.completed', 'x', i, x'00', :body, x'00', 'application/json', '[]' FROM n"""
_DELIVERIES = """INSERT INTO deliveries (event, sink, state, rank, due_at, token, attempts, since_at)
  SELECT seq, 'app', 'waiting', 0, received_at, 0, 0, received_at FROM events WHERE id LIKE 'filler %' AND seq > :after"""


def fill(session: SqliteBulk, start: int, many: int) -> None:
    """So many more rows that are due."""
    ((after,),) = session.rows("SELECT coalesce(max(seq), 0) FROM events")
    with session.atomic():
        session.change(_EVENTS, {"start": start, "many": many, "body": new_event(0).body})
        session.change(_DELIVERIES, {"after": after})


def timed(work: Callable[[], Any], found: list[float]) -> Any:
    began = time.thread_time()
    answer = work()
    found.append((time.thread_time() - began) * 1e6 / BATCH)
    return answer


def turn(session: SqliteBulk, number: int, found: dict[str, list[float]]) -> None:
    """Accept a batch that is left to wait, claim as many, settle them: what waits stays as much."""

    waits = (NewDelivery(sink="app"),)
    events = [[new_event(number * BATCH + n).replace(deliveries=waits)] for n in range(BATCH)]

    claim = Claim(sink="app", most=BATCH, lease=45_000, first=0, owner="bench")

    def accepted() -> None:
        with session.atomic():
            session.tally = Tally()
            accept(session, events, "bench")

    def claimed() -> list[Lease]:
        with session.atomic():
            return list(session.lease_due(claim))

    def settled() -> None:
        with session.atomic():
            settle(session, [[outcome(lease)] for lease in leases])

    timed(accepted, found["accept"])
    leases: list[Lease] = timed(claimed, found["claim"])
    timed(settled, found["settle"])


def filled(path: Path, waiting: int) -> SqliteBulk:
    """A store with so many waiting rows."""
    make_file(path)
    session = SqliteBulk(path, Clock())
    migrate(session, "bench")
    fill(session, 0, waiting)
    session.checkpoint()
    return session


def main(sizes: list[int]) -> None:
    """Print the medians in µs of CPU time a row, and each as a multiple of the first size's; the stores take turns, because a
    machine's own speed drifts by more than that."""
    found: dict[int, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as folder:
        sessions = {size: filled(Path(folder) / f"{size}.db", size) for size in sizes or SIZES}
        for number in range(TURNS):
            for size, session in sessions.items():
                figures = found.setdefault(size, {"accept": [], "claim": [], "settle": []})
                turn(session, number, figures if number >= WARM_UP_TURNS else {name: [] for name in figures})
        for session in sessions.values():
            session.close()
    first = next(iter(found.values()))
    for size, figures in found.items():
        medians = {name: statistics.median(values) for name, values in figures.items()}
        told = "  ".join(
            f"{name} {value:6.1f} (x{value / statistics.median(first[name]):.2f})" for name, value in medians.items()
        )
        print(f"{size:>9} waiting: {told}", flush=True)


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]])
