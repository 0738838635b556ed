"""What store.encryption costs: processor time of an accept and of a claim with and without it.

`python -m benchmarks.encrypted`. One SQLite file each, 32 events of about 2 kB a commit, in alternating rounds; the least of
the rounds is told, because what disturbs only adds.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time

from benchmarks.store import new_event
from gateway.store.engine.cipher import Cipher
from gateway.store.records import NewDelivery
from gateway.store.store import Store

ROUNDS = 12
EVENTS = 32 * 16
LEASE_MS = 45_000


async def round_of(store: Store, start: int) -> tuple[float, float]:
    """Processor time (µs) of an accept and of a claimed delivery."""
    events = [new_event(start + n).replace(deliveries=(NewDelivery(sink="app"),)) for n in range(EVENTS)]
    began = time.process_time()
    for at in range(0, EVENTS, 32):
        await asyncio.gather(*[store.accept([one]) for one in events[at : at + 32]])
    accepted = time.process_time()
    claimed = 0
    while leases := await store.claim("app", 100, LEASE_MS):
        claimed += len(leases)
    assert claimed == EVENTS
    return (accepted - began) / EVENTS * 1e6, (time.process_time() - accepted) / EVENTS * 1e6


def bytes_an_event(folder: str, name: str) -> float:
    return os.path.getsize(f"{folder}/{name}.db") / (ROUNDS * EVENTS)


async def main() -> None:
    """Measure both, print both."""
    with tempfile.TemporaryDirectory(prefix="gw-bench-") as folder:
        kinds = {"plain": None, "encrypted": Cipher({"k1": os.urandom(32)})}
        stores = {name: Store(f"sqlite:///{folder}/{name}.db", cipher=cipher) for name, cipher in kinds.items()}
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
        for store in stores.values():
            await store.open()
        for number in range(ROUNDS):
            for name, store in stores.items():
                found[name].append(await round_of(store, number * EVENTS))
        for store in stores.values():
            await store.close()
        for name, rounds in found.items():
            accept, claim = (min(values) for values in zip(*rounds, strict=True))
            print(
                f"{name:9s} accept {accept:6.1f} µs, claim {claim:6.1f} µs of processor time, {bytes_an_event(folder, name):6.0f} bytes an event"
            )


if __name__ == "__main__":
    asyncio.run(main())
