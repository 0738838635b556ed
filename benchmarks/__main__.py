"""`make bench`: alternating rounds in one run, server on core 0, client and receiver on core 1; prints ratios."""

from __future__ import annotations

import argparse
import asyncio
import functools
import itertools
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import uvloop

from benchmarks import dashboard, peers, servers, storm, ways, wire
from benchmarks.arrivals import Arrivals, Entered
from benchmarks.callbacks import CONNECTIONS, callbacks

LOW_LOAD_PAUSE_SECONDS = (
    0.005  # between two requests, of ours and of what ours are compared with: caches grow cold in it
)


async def one_round(requests: Sequence[bytes], folder: Path, seconds: float, level: str) -> dict[str, float]:
    """Echo, accept only, accept and forward, low load: one after the other."""
    loop = asyncio.get_running_loop()
    arrivals = Arrivals()
    port, admin = servers.free_ports(2)
    sink = await loop.create_server(lambda: wire.Receiver(arrivals), "127.0.0.1", 0)
    to = sink.sockets[0].getsockname()[1]
    made = functools.partial(servers.gateway, port, admin, folder, sink=to, level=level)
    figures: dict[str, float] = {}

    with await asyncio.to_thread(Entered, servers.echo(port, folder)) as server:
        used = server.cpu()
        tally = await wire.call(port, itertools.cycle(requests), connections=CONNECTIONS, seconds=seconds)
        figures["echo/s"] = tally.good / seconds
        figures["echo: CPU µs"] = (server.cpu() - used) * 1e6 / tally.good

        figures["echo and flush p50 ms"] = await _echo_and_flush(port, requests, folder)
    figures["client's call p50 ms"] = await _clients_call(to, requests)
    arrivals.times.clear()
    figures["echo, flush and call p50 ms"] = figures["echo and flush p50 ms"] + figures["client's call p50 ms"]

    figures |= await storm.measured(requests, folder, seconds, level)

    with await asyncio.to_thread(Entered, made(routed=True)) as server:
        waits, accepts = [], []
        for request in requests[:100]:
            arrivals.times.clear()
            began = time.perf_counter()
            tally = await wire.call(port, iter([request]), connections=1, seconds=5)
            accepts.append(tally.percentile(0.5))
            await arrivals.reach(1, 5)
            waits.append((arrivals.times[0] - began) * 1000)
            await asyncio.sleep(LOW_LOAD_PAUSE_SECONDS)
        figures["end to end p50 ms"] = statistics.median(waits)
        figures["accept p50 ms, low load"] = statistics.median(accepts)

    with tempfile.TemporaryDirectory(dir=folder) as new:  # because a store of the round before knows these callbacks
        batched = await ways.one_way(folder, seconds, f"sqlite:///{new}/batches.db", ways.BATCHED, requests)
    figures["delivered in batches/s"] = batched["delivered/s"]
    figures["accept and deliver in batches: CPU µs"] = batched["CPU µs"]

    figures |= await dashboard.measured(requests, folder, seconds, level)

    with await asyncio.to_thread(Entered, servers.example(port, admin, folder)) as server:
        figures["start to ready s"] = server.start_seconds
        figures["PSS MB, example"] = server.pss()
    began = time.perf_counter()
    await asyncio.to_thread(servers.help)
    figures["gateway --help s"] = time.perf_counter() - began
    sink.close()
    await sink.wait_closed()
    return figures


async def _echo_and_flush(port: int, requests: Sequence[bytes], folder: Path) -> float:
    """Milliseconds of the least that a durable answer takes at low load: one call, and one flush of the disk."""
    answers, flushes = [], []
    for request in requests[:100]:
        began = time.perf_counter()
        await wire.call(port, iter([request]), connections=1, seconds=5)
        answers.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(LOW_LOAD_PAUSE_SECONDS)
    with (folder / "flush").open("wb") as file:
        for _ in range(50):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            flushes.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(LOW_LOAD_PAUSE_SECONDS)
    return statistics.median(answers) + statistics.median(flushes)


async def _clients_call(port: int, requests: Sequence[bytes]) -> float:
    """Milliseconds of one call of the HTTP client that deliveries go through, over one connection that stays open."""
    waits = []
    async with aiohttp.ClientSession() as session:
        for request in requests[:100]:
            began = time.perf_counter()
            async with session.post(f"http://127.0.0.1:{port}/", data=request.partition(b"\r\n\r\n")[2]) as answer:
                await answer.read()
            waits.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(LOW_LOAD_PAUSE_SECONDS)
    return statistics.median(waits)


RATIOS = {
    "durable accept / echo": ("accepted/s", "reach 0.45, aim 0.75"),
    "delivered under load / echo": ("delivered under load/s", "reach 0.10, aim 0.20"),
    "delivered in batches / echo": ("delivered in batches/s", "printed"),
}
CPU_RATIOS = {
    "durable accept, by CPU time": ("accept: CPU µs", "reach 0.25, aim 0.35"),
    "accept and deliver, by CPU time": ("accept and deliver: CPU µs", "reach 0.11, aim 0.15"),
}
"""The echo's processor time by ours: what the ratios above would be if nothing ever waited. It does not care who else is
busy on the machine."""

LATENCIES = {
    "accept p99 / p50, 32 connections": ("accept p99 ms", "accept p50 ms", "aim 2"),
    "accept p99 while forwarding / p99": ("accept p99 ms while forwarding", "accept p99 ms", "aim 1.5"),
    "end to end p50 / (echo+flush+call)": ("end to end p50 ms", "echo, flush and call p50 ms", "aim 2"),
}
"""Printed, never held: a busy machine moves them."""

BESIDE_PEERS = {
    "accepted/s": "accepted/s",
    "delivered/s": "delivered under load/s",
    peers.IN_BATCHES: "delivered in batches/s",
    "CPU µs": "accept and deliver: CPU µs",
}
"""Their figures by the names that peers have for them."""

BOUNDS = {
    "commits per event": "0.30 or less",
    "an open dashboard costs, %": "under 5, of the CPU of an accept",
    "PSS MB, example": "aim 50",
    "start to ready s": "aim 0.8",
    "gateway --help s": "aim 0.2",
    "a round s": "under 30, without PEERS",
    "end to end p50 ms": "printed",
    "taken by the host, %": "of one processor; it makes waits longer",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument(
        "--seconds", type=float, default=2.5, help="of each way; more short rounds find a quiet one sooner"
    )
    parser.add_argument("--level", default="info", help="the gateway's log level while it is measured")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peers", action="store_true", help="also other gateways, where they are installed")
    options = parser.parse_args()
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    rounds = []
    others: dict[str, list[dict[str, float]]] = {}
    requests = list(itertools.islice(callbacks(), int(12000 * options.seconds)))
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        for number in range(options.rounds):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                began, stolen = time.perf_counter(), servers.stolen()
                rounds.append(runner.run(one_round(requests, Path(folder), options.seconds, options.level)))
                rounds[-1]["a round s"] = took = time.perf_counter() - began
                rounds[-1]["taken by the host, %"] = (servers.stolen() - stolen) / took * 100
                for peer, program in peers.installed() if options.peers else ():
                    bodies = [request.partition(b"\r\n\r\n")[2] for request in requests]
                    work = peers.measure(peer, program, bodies, Path(folder), options.seconds)
                    others.setdefault(peer.name, []).append(runner.run(work))
            print(f"round {number + 1} of {options.rounds} done in {took:.0f} s", flush=True)
    if options.json:
        print(json.dumps(rounds, indent=1))
    print(f"\n{'ratio (median of rounds)':34} {'value':>8}   {'min':>7} {'max':>7}   goal")
    for name, (figure, goal) in RATIOS.items():
        values = sorted(one[figure] / one["echo/s"] for one in rounds)
        print(f"{name:34} {statistics.median(values):8.3f}   {values[0]:7.3f} {values[-1]:7.3f}   {goal}")
    for name, (figure, goal) in CPU_RATIOS.items():
        values = sorted(one["echo: CPU µs"] / one[figure] for one in rounds)
        print(f"{name:34} {statistics.median(values):8.3f}   {values[0]:7.3f} {values[-1]:7.3f}   {goal}")
    for name, (above, below, goal) in LATENCIES.items():
        values = sorted(one[above] / one[below] for one in rounds)
        print(f"{name:34} {statistics.median(values):8.2f}   {values[0]:7.2f} {values[-1]:7.2f}   {goal}")
    for name, goal in BOUNDS.items():
        values = sorted(one[name] for one in rounds)
        print(f"{name:34} {statistics.median(values):8.2f}   {values[0]:7.2f} {values[-1]:7.2f}   {goal}")
    if options.peers:
        ours = [{name: one[figure] for name, figure in BESIDE_PEERS.items()} for one in rounds]
        peers.report(others, ours)
    print("\nabsolute figures of this machine, for orientation only:")
    for name in rounds[0]:
        print(f"  {name:32} " + "  ".join(f"{one[name]:9.2f}" for one in rounds))


if __name__ == "__main__":
    main()
