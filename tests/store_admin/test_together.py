"""People and gateways at once: whatever they do to each other's rows, no stream is stuck and nothing is sent twice at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from functools import partial

import pytest

from gateway.errors import NotFound
from gateway.runtime.clock import FrozenClock
from gateway.store.admin.admin import StoreAdmin
from gateway.store.store import Store
from tests.store.kit import LEASE, new, settlement, table, take

SINKS = ("app", "ops", "late")
ROUNDS = 60


# Where all is serialised, lanes that never pause let nobody's longer transaction through.
@pytest.mark.whole_server
async def test_people_and_lanes_work_on_the_same_streams_without_harm(
    store: Store, admins: Callable[..., StoreAdmin], url: str, clock: FrozenClock
) -> None:
    chance = random.Random(7)
    admin = admins(configured=SINKS, ordered=("app", "ops"))
    keys = ("a", "b", "c")
    number = 0

    async def gateway() -> None:
        nonlocal number
        for _ in range(ROUNDS):
            number += 3
            await take(store, *[new(number - n, *SINKS[: 1 + n], key=chance.choice(keys)) for n in range(3)])
            for sink in SINKS:
                leases = await store.claim(sink, 4, LEASE)
                streams = [lease.order_key for lease in leases if lease.order_key is not None]
                assert len(set(streams)) == len(streams)
                endings = [chance.choice(["delivered", "dead", "waiting"]) for _ in leases]
                await store.settle([settlement(one, end) for one, end in zip(leases, endings, strict=True)])

    def people() -> None:
        for _ in range(ROUNDS):
            rows = admin.deliveries(limit=20)
            if not rows:
                continue
            row = chance.choice(rows)
            acts: list[Callable[[], object]] = [
                partial(admin.cancel, row.id),
                partial(admin.retry, row.id),
                partial(admin.replay, row.event_ref, sinks=SINKS),
                partial(admin.erase, row.event_ref),
                partial(admin.move, "late", "ops"),
            ]
            act = chance.choice(acts)
            try:
                act()
            except NotFound:  # another act erased it
                continue

    await asyncio.gather(gateway(), asyncio.to_thread(people))
    _no_stream_is_stuck(url)
    clock.advance(3600)
    for _ in range(500):
        leases = [lease for sink in SINKS for lease in await store.claim(sink, 100, LEASE)]
        if not leases:
            break
        await store.settle([settlement(lease, "delivered") for lease in leases])
    assert table(url, "count(*)", "deliveries WHERE state IN ('waiting','sending')") == [(0,)]


def _no_stream_is_stuck(url: str) -> None:
    lanes: dict[tuple[str, str], list[int]] = {}
    open_ = "deliveries WHERE order_key IS NOT NULL AND state IN ('waiting','sending')"
    for sink, key, rank in table(url, "sink, order_key, rank", open_):
        lanes.setdefault((sink, key), []).append(rank)
    for stream, found in lanes.items():
        assert len([rank for rank in found if rank != 2]) == 1, (stream, found)
