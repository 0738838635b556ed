"""`python -m benchmarks.retention [--events 1000000]`: how long an accept waits while old events are deleted, and alone.

Both stores are filled with events that are to go (tests/store/old_events.py), then callbacks come at even times, in turns
with and without the sweep. A wait counts from the time a callback should have come, so that no wait hides another. Read the
ratio: the median over pairs of turns, one after the other, because a machine's or a database's own pause falls into one of
them. A first turn is not counted. Also prints what an event takes on the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.store import new_event, outcome
from gateway.runtime.clock import Clock
from gateway.store.engine.migrations import migrate
from gateway.store.engine.session import Session
from gateway.store.postgres.session import PostgresSession
from gateway.store.records import NewEvent
from gateway.store.sqlite.session import SqliteSession, make_file
from gateway.store.store import Store
from gateway.text.store_address import parse_address
from tests.postgres import Postgres
from tests.store.old_events import fill, sizes

OLD_DAYS = (40.0, 10.0)
FILL_TIMEOUT_MS = 600_000
LOOK_SECONDS = 1.0  # between two looks of what runs beside: the poll, and who joins events into recordings


class Waits:
    """How long accepts took, in ms."""

    def __init__(self) -> None:
        self.ms: list[float] = []

    def at(self, share: float) -> float:
        ordered = sorted(self.ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    def __str__(self) -> str:
        return (
            f"p50 {self.at(0.5):6.1f}  p99 {self.at(0.99):6.1f}  p99.9 {self.at(0.999):6.1f}  most {self.at(1):6.1f} ms"
        )


def together(turns: Sequence[Waits]) -> Waits:
    """Those of several turns."""
    whole = Waits()
    whole.ms = [one for turn in turns for one in turn.ms]
    return whole


async def accepted(store: Store, new: NewEvent, due: float, waits: Waits) -> None:
    """Accept one callback, and write that it was delivered."""
    answers = await store.accept([new])
    waits.ms.append((time.perf_counter() - due) * 1000)
    for lease in answers[0].leases:
        await store.settle([outcome(lease)])


async def steadily(store: Store, events: Iterator[NewEvent], rate: float, seconds: float, waits: Waits) -> None:
    """Accept `rate` callbacks a second."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due = began + number / rate
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            group.create_task(accepted(store, next(events), due, waits))


async def beside(store: Store) -> None:
    """What a gateway asks of its store all the time."""
    while True:
        await store.gates()
        await store.due()
        await store.follow_recordings()
        await asyncio.sleep(LOOK_SECONDS)


async def measure(url: str, rounds: int, rate: float, seconds: float) -> tuple[Sequence[Waits], Sequence[Waits], int]:
    """Waits alone and beside the sweep by rounds, and how many events that deleted in each of its seconds."""
    store = Store(url)
    await store.open(lock_wait=0)
    turns: dict[str, list[Waits]] = {"alone": [], "sweeping": []}
    steps: list[int] = []
    first = int(time.time()) * 1_000_000
    events = iter([new_event(first + number) for number in range(int((2 * rounds + 1) * rate * seconds) + 1)])
    asking = asyncio.create_task(beside(store))
    try:
        await steadily(
            store, events, rate, seconds, Waits()
        )  # pages that nobody touched yet, and a log that has to grow
        for number in range(rounds):
            for name in ("alone", "sweeping") if number % 2 else ("sweeping", "alone"):
                sweeping = asyncio.create_task(store.sweep()) if name == "sweeping" else None
                before = await counted(store)
                turns[name].append(Waits())
                await steadily(store, events, rate, seconds, turns[name][-1])
                after = await counted(store)
                if sweeping is not None:
                    steps.append(int(rate * seconds) - (after - before))
                    sweeping.cancel()
                    with suppress(asyncio.CancelledError):
                        await sweeping
    finally:
        asking.cancel()
        await store.close()
    return turns["alone"], turns["sweeping"], int(sum(steps) / (rounds * seconds))


async def counted(store: Store) -> int:
    """Events, as far as the numbers of the first and last tell."""
    ((first, last),) = await store.ask(lambda session: session.rows("SELECT min(seq), max(seq) FROM events"))
    return int(last or 0) - int(first or 0)


@contextmanager
def filler(url: str) -> Iterator[Session]:
    """A connection that may take its time."""
    address = parse_address(url)
    session: SqliteSession | PostgresSession
    if address.backend == "sqlite":
        make_file(address.path)
        session = SqliteSession(address.path, "writer", Clock())
        session.change("PRAGMA synchronous=OFF")
        session.rows("PRAGMA cache_size=-1000000")  # ids are random: their index does not fit the usual two megabytes
    else:
        session = PostgresSession(address, timeout_ms=FILL_TIMEOUT_MS)
    try:
        migrate(session, address.shown)
        yield session
        if address.backend == "postgresql":
            session.change("CHECKPOINT")
    finally:
        session.close()
    if address.backend == "sqlite":  # else the first flush of an accept would be that of gigabytes
        with address.path.open("rb") as file:
            os.fsync(file.fileno())


def one_store(kind: str, url: str, events: int, full: bool, options: argparse.Namespace) -> None:
    """Fill, weigh, measure."""
    began = time.perf_counter()
    with filler(url) as session:
        body, raw = (new_event(0).body, new_event(0).event.raw) if full else ("{}", b"{}")
        fill(session, events, days=OLD_DAYS, body=body, raw=raw)
        if session.backend == "postgresql":
            session.change("VACUUM ANALYZE")
        weights = sizes(session)
    each = ", ".join(f"{name} {size / events:.0f}" for name, size in weights.items())
    print(f"{kind}: {events} events filled in {time.perf_counter() - began:.0f} s")
    print(f"  bytes an event: {sum(weights.values()) / events:.0f} ({each})", flush=True)
    alone, sweeping, deleted = asyncio.run(measure(url, options.rounds, options.rate, options.seconds))
    print(f"  accepts alone:           {together(alone)}")
    print(f"  beside the sweep:        {together(sweeping)}")
    for share, name in ((0.5, "median"), (0.99, "p99")):
        ratios = [with_it.at(share) / without.at(share) for with_it, without in zip(sweeping, alone, strict=True)]
        print(f"  {name} beside / alone: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"  {deleted} events deleted a second", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.retention", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--small", action="store_true", help="as few bytes an event as there can be")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--rate", type=float, default=100.0, help="callbacks a second")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--stores", nargs="+", choices=("sqlite", "postgresql"), default=["sqlite", "postgresql"])
    options = parser.parse_args()
    for kind in options.stores:
        folder = Path(tempfile.mkdtemp(prefix="gw-bench-"))
        server = None
        try:
            if kind == "postgresql":
                server = Postgres(folder / "server", owner=os.getpid())
            url = f"sqlite:///{folder}/gateway.db" if server is None else server.url
            one_store(kind, url, options.events, not options.small, options)
        finally:
            if server is not None:
                server.close()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
