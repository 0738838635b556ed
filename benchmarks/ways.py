"""`make bench STORE=postgresql://…`: accepting and delivering, singly and in batches, on SQLite and on another store, in one run.

Ratios by CPU time of the gateway's process: PostgreSQL's own is not in them. STORE=postgresql starts the embedded one.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import uvloop

from benchmarks import servers, wire
from benchmarks.arrivals import Arrivals, Entered
from benchmarks.callbacks import CONNECTIONS, callbacks

SINGLY = "{concurrency: 32}"
BATCHED = "{concurrency: 2, batch: {max: 500, window: 0s}}"


async def one_way(
    folder: Path, seconds: float, store: str, delivery: str, requests: Iterable[bytes]
) -> dict[str, float]:
    """Accept and deliver for so long."""
    arrivals = Arrivals()
    calls = 0

    def came(body: bytes) -> None:
        nonlocal calls
        calls += 1
        for _ in range(body.count(b'"specversion"')):
            arrivals(body)

    receiver = await asyncio.get_running_loop().create_server(lambda: wire.Receiver(came), "127.0.0.1", 0)
    port, admin = servers.free_ports(2)
    sink = receiver.sockets[0].getsockname()[1]
    made = servers.gateway(port, admin, folder, sink=sink, routed=True, store=store, delivery=delivery)
    with await asyncio.to_thread(Entered, made) as server:
        used, began = server.cpu(), time.perf_counter()
        tally = await wire.call(port, iter(requests), connections=CONNECTIONS, seconds=seconds)
        loaded = time.perf_counter()
        await arrivals.reach(tally.good, 60)
        cpu = (server.cpu() - used) * 1e6 / tally.good
    receiver.close()
    delivered = arrivals.between(began, loaded) / (loaded - began)
    return {"CPU µs": cpu, "delivered/s": delivered, "events a call": len(arrivals.times) / calls}


async def echo(folder: Path, seconds: float) -> dict[str, float]:
    (port,) = servers.free_ports(1)
    requests = itertools.cycle(itertools.islice(callbacks(), 100))
    with await asyncio.to_thread(Entered, servers.echo(port, folder)) as server:
        used = server.cpu()
        tally = await wire.call(port, requests, connections=CONNECTIONS, seconds=seconds)
        cpu = (server.cpu() - used) * 1e6 / tally.good
    return {"CPU µs": cpu, "delivered/s": tally.good / seconds, "events a call": 1.0}


def measure(stores: dict[str, str], rounds: int, seconds: float) -> None:
    """Alternate over the stores and ways; print medians, and each as a part of the echo and of SQLite singly."""
    numbers = itertools.count(int(time.time()) * 1000, 1_000_000)
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name:
        folder = Path(name)
        for _ in range(rounds):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                found.setdefault("echo", []).append(runner.run(echo(folder, seconds / 2)))
                for (kind, url), (way, delivery) in itertools.product(
                    stores.items(), (("singly", SINGLY), ("in batches", BATCHED))
                ):
                    # a store that is kept knows the callbacks of the rounds before
                    requests = list(itertools.islice(callbacks(next(numbers)), int(4000 * seconds)))
                    given = runner.run(one_way(folder, seconds, url, delivery, requests))
                    found.setdefault(f"{kind} {way}", []).append(given)
    medians = {
        way: {name: statistics.median(one[name] for one in values) for name in values[0]}
        for way, values in found.items()
    }
    base, singly = medians["echo"], medians["sqlite singly"]
    print(f"{'':24} {'CPU µs':>8} {'of echo':>8} {'of sqlite':>9} {'delivered/echo':>15} {'events a call':>14}")
    for way, one in medians.items():
        print(
            f"{way:24} {one['CPU µs']:8.0f} {base['CPU µs'] / one['CPU µs']:8.3f} {singly['CPU µs'] / one['CPU µs']:9.2f} "
            f"{one['delivered/s'] / base['delivered/s']:15.3f} {one['events a call']:14.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.ways", description=__doc__)
    parser.add_argument("--store", help="postgresql, or a URL; absent: SQLite alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    if options.store and options.store != "postgresql" and "://" not in options.store:
        parser.error(f"--store is postgresql, which starts one, or the URL of a store, not {options.store!r}")
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    stores = {"sqlite": "sqlite:///bench.db"}
    if options.store != "postgresql":
        measure(stores | ({"other": options.store} if options.store else {}), options.rounds, options.seconds)
        return
    from tests.postgres import Postgres

    with tempfile.TemporaryDirectory(prefix="gw-bench-") as name:
        server = Postgres(Path(name) / "server", owner=os.getpid())
        try:
            measure(stores | {"postgresql": server.url}, options.rounds, options.seconds)
        finally:
            server.close()


if __name__ == "__main__":
    main()
