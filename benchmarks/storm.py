"""Accepting alone and accepting while each event is delivered: two gateways in alternating slices of one round.

A host that takes the processor away for a second makes a p99 of that second; in turns it meets both, and their ratio less. Whose
turn it is not gets no processor: a gateway that has stored thousands of events joins them into recordings for a minute, a tenth
of the core that the other is measured on.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import wire
from benchmarks.arrivals import Arrivals, gateways_beside
from benchmarks.callbacks import CONNECTIONS

SLICES = 3  # of each of the two
REST_SECONDS = 0.3  # in which what came of the last deliveries is stored


async def measured(requests: Sequence[bytes], folder: Path, seconds: float, level: str) -> dict[str, float]:
    """Figures of `seconds` of each."""
    arrivals = Arrivals()
    receiver = await asyncio.get_running_loop().create_server(lambda: wire.Receiver(arrivals), "127.0.0.1", 0)
    sink = receiver.sockets[0].getsockname()[1]
    async with contextlib.AsyncExitStack() as stack:
        running = await gateways_beside(stack, folder, {"alone": False, "forwarding": True}, sink=sink, level=level)
        storm = running["forwarding"]
        commits = await asyncio.to_thread(storm.metric, "recording_gateway_commit_batch_size_count")
        for server in running.values():
            server.pause()
            stack.callback(server.go_on)
        fresh = {name: iter(requests) for name in running}
        tallies = {name: wire.Tally() for name in running}
        cpu = dict.fromkeys(running, 0.0)
        loaded = delivered = 0.0
        for number in range(SLICES):
            for name in ("alone", "forwarding") if number % 2 else ("forwarding", "alone"):
                server = running[name]
                server.go_on()
                used, began = server.cpu(), time.perf_counter()
                part = await wire.call(
                    server.port, fresh[name], connections=CONNECTIONS, seconds=seconds / SLICES, untimed=1
                )
                ended = time.perf_counter()
                tallies[name].add_all(part)
                if name == "forwarding":
                    loaded += ended - began
                    delivered += arrivals.between(began, ended)
                    await arrivals.reach(tallies[name].good, 120)
                    await asyncio.sleep(REST_SECONDS)
                cpu[name] += server.cpu() - used
                server.pause()
        storm.go_on()
        alone, forwarding = tallies["alone"], tallies["forwarding"]
        commits = await asyncio.to_thread(storm.metric, "recording_gateway_commit_batch_size_count") - commits
        figures = {
            "accepted/s": alone.good / seconds,
            "accept: CPU µs": cpu["alone"] * 1e6 / alone.good,
            "accept p50 ms": alone.percentile(0.5),
            "accept p99 ms": alone.percentile(0.99),
            "accepted while forwarding/s": forwarding.good / seconds,
            "accept p50 ms while forwarding": forwarding.percentile(0.5),
            "accept p99 ms while forwarding": forwarding.percentile(0.99),
            "delivered under load/s": delivered / loaded,
            "missing": max(forwarding.good - len(arrivals.times), 0),
            "accept and deliver: CPU µs": cpu["forwarding"] * 1e6 / forwarding.good,
            "commits per event": commits / max(forwarding.good, 1),
            "PSS MB after load": storm.pss(),
        }
    receiver.close()
    await receiver.wait_closed()
    for name, tally in tallies.items():
        if set(tally.statuses) - {b"200"} or tally.broken:
            print(f"  note: {name}: answers {tally.statuses}, broken connections {tally.broken}")
    return figures
