"""What the store can do without HTTP: durable accepts and settles a second, grouped against one commit each.

Variants alternate in one run, because the machine's own speed drifts by a third;
read the ratios. Every accept hands one delivery over and is answered after its flush.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gateway.events.cloudevents import fingerprint, to_json
from gateway.model import FILE_COMPLETED, Event, Outcome
from gateway.store.engine import write_queue
from gateway.store.records import Lease, NewDelivery, NewEvent, Settlement
from gateway.store.store import Store

CALLERS = (1, 8, 32, 128)
RAW = b'{"sample": "' + b"x" * 740 + b'"}'
EXTRA = {"padding": "x" * 400}


def new_event(number: int) -> NewEvent:
    """An event of about 2 kB a row, as a finished file is."""
    event = Event(
        id=f"{number:032x}",
        type=FILE_COMPLETED,
        source="live",
        provider="bench",
        received_at=datetime.now(UTC),
        domain="push.example.com",
        app="live",
        stream=f"stream{number % 100}",
        raw=RAW,
        extra=EXTRA,
    )
    return NewEvent(
        event=event,
        body=to_json(event),
        fingerprint=fingerprint(event),
        routing="[]",
        deliveries=(NewDelivery(sink="app", lease=45_000),),
    )


async def accepts(store: Store, callers: int, start: int, seconds: float) -> tuple[float, float, list[Lease]]:
    """Accepts a second, their median latency in ms, and the leases they handed over."""
    events = iter([new_event(start + n) for n in range(30_000)])
    leases: list[Lease] = []
    waits: list[float] = []
    until = time.perf_counter() + seconds

    async def call() -> None:
        for new in events:  # a quick store takes all of them before its time is over
            if (began := time.perf_counter()) >= until:
                break
            (answer,) = await store.accept([new])
            waits.append(time.perf_counter() - began)
            leases.extend(answer.leases)

    began = time.perf_counter()
    await asyncio.gather(*[call() for _ in range(callers)])
    return len(waits) / (time.perf_counter() - began), statistics.median(waits) * 1000, leases


def outcome(lease: Lease) -> Settlement:
    """That this delivery arrived."""
    return Settlement(
        delivery=lease.delivery,
        token=lease.token,
        state="delivered",
        outcome=Outcome.DELIVERED,
        started_at=0,
        took_ms=1,
        detail="HTTP 200",
    )


async def settles(store: Store, callers: int, leases: list[Lease]) -> float:
    """Settles a second."""
    left = iter(leases)

    async def call() -> None:
        for lease in left:
            await store.settle([outcome(lease)])

    began = time.perf_counter()
    await asyncio.gather(*[call() for _ in range(callers)])
    return len(leases) / (time.perf_counter() - began)


@contextmanager
def batches_of(most: int) -> Iterator[None]:
    """So many items at most in one commit."""
    usual, write_queue.COMMIT_ITEMS_MAX = write_queue.COMMIT_ITEMS_MAX, most  # type: ignore[misc]
    try:
        yield
    finally:
        write_queue.COMMIT_ITEMS_MAX = usual  # type: ignore[misc]


async def measure(url: str, rounds: int, seconds: float) -> None:
    """Alternate over the numbers of callers, grouped and one by one; print the medians and their ratio."""
    commits: list[int] = []
    store = Store(url, observe=lambda items, _seconds: commits.append(items))
    await store.open(lock_wait=0)
    number = 0
    found: dict[tuple[int, bool], list[tuple[float, float, float]]] = {}
    try:
        for _ in range(rounds):
            for callers in CALLERS:
                for grouped in (True, False):
                    with batches_of(512 if grouped else 1):
                        rate, wait, leases = await accepts(store, callers, number, seconds)
                        settled = await settles(store, callers, leases)
                    number += 30_000
                    found.setdefault((callers, grouped), []).append((rate, wait, settled))
    finally:
        await store.close()
    print(
        f"{url.partition('://')[0]}: callers, accepts/s, p50 ms, settles/s; one commit each: accepts/s, settles/s; ratios"
    )
    for callers in CALLERS:
        rate, wait, settled = (statistics.median(values) for values in zip(*found[callers, True], strict=True))
        single, _, one = (statistics.median(values) for values in zip(*found[callers, False], strict=True))
        print(
            f"{callers:4d} {rate:8.0f} {wait:6.1f} {settled:8.0f} | {single:8.0f} {one:8.0f} | "
            f"accept x{rate / single:.1f} settle x{settled / one:.1f}"
        )
    print(f"     commits per item {len(commits) / sum(commits):.2f}")


def main() -> None:
    """Measure the named kinds of store, or the stores at the given URLs."""
    parser = argparse.ArgumentParser(prog="benchmarks.store", description=__doc__)
    parser.add_argument("stores", nargs="*", default=["sqlite"], metavar="STORE", help="sqlite, postgresql, or a URL")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    for what in options.stores:
        folder = Path(tempfile.mkdtemp(prefix="gw-bench-"))
        server = None
        try:
            if what == "postgresql":
                from tests.postgres import Postgres

                server = Postgres(folder / "server", owner=os.getpid())
                asyncio.run(measure(server.url, options.rounds, options.seconds))
            else:
                url = f"sqlite:///{folder}/gateway.db" if what == "sqlite" else what
                asyncio.run(measure(url, options.rounds, options.seconds))
        finally:
            if server is not None:
                server.close()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
